import type { TextMapGetter } from "@opentelemetry/api";

/** Reads what a propagator asks for from a request's headers: names and values in turn, as received. */
export const rawHeaderGetter: TextMapGetter<readonly string[]> = {
  keys: (headers) => [...new Set(headers.filter((_, index) => index % 2 === 0).map(lowerCase))],

  get(headers, key) {
    const name = key.toLowerCase();
    const values: string[] = [];
    for (let index = 0; index < headers.length; index += 2) {
      if ((headers[index] as string).toLowerCase() === name)
        values.push(headers[index + 1] as string);
    }
    return values.length > 1 ? values : values[0];
  },
};

function lowerCase(name: string): string {
  return name.toLowerCase();
}
