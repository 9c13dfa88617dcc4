import { isIP, SocketAddress } from "node:net";

/**
 * The shortest form of an IPv4 or IPv6 address. An IPv4-mapped IPv6 address becomes IPv4, so that the two
 * forms of one address are equal. Undefined if the text is no address.
 */
export function normalizedIpAddress(text: string): string | undefined {
  const version = text.includes("%") ? 0 : isIP(text);
  if (version === 0) return undefined;
  if (version === 4) return text;
  const { address } = new SocketAddress({ address: text, family: "ipv6" });
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  return mapped?.[1] ?? address;
}

/**
 * The same for a network such as `10.0.0.0/8`, or one address. Undefined also if the address has bits
 * after the prefix: it is not clear then whether the address or the prefix is wrong.
 */
export function normalizedIpNetwork(text: string): string | undefined {
  const [, given = "", digits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = normalizedIpAddress(given);
  if (address === undefined || digits === undefined) return address;
  const bits = isIP(address) === 4 ? 32 : 128;
  // The prefix of an IPv4-mapped address counts the 96 bits before it.
  const prefix = Number(digits) - (bits === 32 && isIP(given) === 6 ? 96 : 0);
  if (prefix < 0 || prefix > bits) return undefined;
  const hostMask = (1n << BigInt(bits - prefix)) - 1n;
  return (numberOf(address) & hostMask) === 0n ? `${address}/${prefix}` : undefined;
}

function numberOf(address: string): bigint {
  if (isIP(address) === 4) {
    return address.split(".").reduce((number, octet) => number * 256n + BigInt(octet), 0n);
  }
  // A URL has hexadecimal groups only, also for the last 32 bits.
  const { hostname } = new URL(`http://[${address}]`);
  const [head = "", tail] = hostname.slice(1, -1).split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const [first, last] = [groups(head), groups(tail ?? "")];
  const zeros = Array<string>(8 - first.length - last.length).fill("0");
  return [...first, ...zeros, ...last].reduce(
    (number, group) => number * 65_536n + BigInt(`0x${group}`),
    0n,
  );
}
