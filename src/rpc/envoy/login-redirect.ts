import type { BrowserRequest } from "./check-request.ts";

/** Longer ones are left out, since servers limit the length of a URL. */
const MAX_RETURN_LENGTH = 2048;

/** Whether a browser shows the response as a page, so that it can be redirected to the login page. */
export function isNavigation({ method, header }: BrowserRequest): boolean {
  if (method !== "GET") return false;
  const mode = header("sec-fetch-mode");
  if (mode !== undefined) return mode === "navigate";
  return /\btext\/html\b/i.test(header("accept") ?? "");
}

/**
 * The URL of the login page, with what was asked for in the place of `{url}` and `{path}`.
 *
 * @param template as configured
 */
export function loginLocation(template: string, request: BrowserRequest): string {
  // Two slashes at the start would be another host for a login page that redirects to the path.
  const asked = request.path.replace(/^[/\\]*/, "/");
  const path = asked.length <= MAX_RETURN_LENGTH ? asked : "/";
  const url = `${request.scheme}://${request.host}${path}`;
  return template.replaceAll(/\{(url|path)\}/g, (_, name) =>
    encodeURIComponent((name === "url" ? url : path).toWellFormed()),
  );
}
