/** The last of four parts, changed. */
function withMac(cookie: string, change: (mac: string) => string): string {
  const [version, sessionId, keyId, mac = ""] = cookie.split(".");
  return [version, sessionId, keyId, change(mac)].join(".");
}

const ofBytes = (length: number) => Buffer.alloc(length, 1).toString("base64url");

/**
 * What can be wrong with the form of a cookie value, by its description: each changes a genuine
 * one into one that must be refused before any database is asked.
 */
export const malformedCookies: Readonly<Record<string, (cookie: string) => string>> = {
  "that is empty": () => "",
  "that is blank": () => " ",
  "that is a dot": () => ".",
  "that is three dots": () => "...",
  "without dots": (cookie) => cookie.replaceAll(".", ""),
  "that lacks its last part": (cookie) => cookie.split(".").slice(0, 3).join("."),
  "that lacks its version": (cookie) => cookie.slice(3),
  "with a dot at its start": (cookie) => `.${cookie}`,
  "with a dot at its end": (cookie) => `${cookie}.`,
  "with a part too many": (cookie) => `${cookie}.x`,
  "with two dots for one": (cookie) => cookie.replace(".", ".."),
  "with a fullwidth dot": (cookie) => cookie.replace(".", "\uff0e"),
  "with an ideographic full stop": (cookie) => cookie.replace(".", "\u3002"),
  "of version v0": (cookie) => cookie.replace("v1", "v0"),
  "of version v2": (cookie) => cookie.replace("v1", "v2"),
  "of version v99": (cookie) => cookie.replace("v1", "v99"),
  "of version V1": (cookie) => cookie.replace("v1", "V1"),
  "of version v01": (cookie) => cookie.replace("v1", "v01"),
  "of an empty version": (cookie) => cookie.replace("v1", ""),
  "without ses-": (cookie) => cookie.replace("ses-", ""),
  "with SES-": (cookie) => cookie.replace("ses-", "SES-"),
  "without sk-": (cookie) => cookie.replace("sk-", ""),
  "with its ids exchanged": (cookie) => cookie.replace(/(ses-\w+)\.(sk-\w+)/, "$2.$1"),
  "with a session id in upper case": (cookie) =>
    cookie.replace(/ses-\w+/, (id) => `ses-A${id.slice(5).toUpperCase()}`),
  "with a session id that lacks a digit": (cookie) => cookie.replace(/ses-\w/, "ses-"),
  "with the key id __proto__": (cookie) => cookie.replace(/sk-\w+/, "__proto__"),
  "with the key id sk-__proto__": (cookie) => cookie.replace(/sk-\w+/, "sk-__proto__"),
  "with the key id constructor": (cookie) => cookie.replace(/sk-\w+/, "constructor"),
  "with a path for a key id": (cookie) => cookie.replace(/sk-\w+/, "sk-/etc/passwd"),
  "with SQL for a key id": (cookie) => cookie.replace(/sk-\w+/, "sk-' OR ''='"),
  "with SQL for a session id": (cookie) => cookie.replace(/ses-\w+/, "ses-' OR ''='"),
  "with an empty key id": (cookie) => cookie.replace(/sk-\w+/, ""),
  "with an empty MAC": (cookie) => withMac(cookie, () => ""),
  "with a MAC of 31 bytes": (cookie) => withMac(cookie, () => ofBytes(31)),
  "with a MAC of 33 bytes": (cookie) => withMac(cookie, () => ofBytes(33)),
  "with a MAC of 32 other bytes": (cookie) => withMac(cookie, () => ofBytes(32)),
  "with a MAC of zeros": (cookie) => withMac(cookie, () => "A".repeat(43)),
  "with a padded MAC": (cookie) => `${cookie}=`,
  "with a MAC whose last character is another of the same bytes": (cookie) =>
    withMac(cookie, (mac) => {
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      return mac.slice(0, -1) + alphabet[alphabet.indexOf(mac.slice(-1)) + 1];
    }),
  "with a MAC in the standard alphabet": (cookie) =>
    withMac(cookie, () => Buffer.alloc(32, 0xfb).toString("base64").replace("=", "")),
  "with its MAC in hexadecimal": (cookie) =>
    withMac(cookie, (mac) => Buffer.from(mac, "base64url").toString("hex")),
  "with a blank in its MAC": (cookie) =>
    withMac(cookie, (mac) => `${mac.slice(0, 20)} ${mac.slice(20)}`),
  "with a blank before it": (cookie) => ` ${cookie}`,
  "with a blank after it": (cookie) => `${cookie} `,
  "with CRLF after it": (cookie) => `${cookie}\r\n`,
  "with CRLF and a header after it": (cookie) => `${cookie}\r\nSet-Cookie: a=b`,
  "with NUL before it": (cookie) => `\0${cookie}`,
  "with NUL after it": (cookie) => `${cookie}\0`,
  "with NUL for a dot": (cookie) => cookie.replace(".", "\0"),
  "with a byte-order mark before it": (cookie) => `\ufeff${cookie}`,
  "in quotes": (cookie) => `"${cookie}"`,
  "percent-encoded": (cookie) => cookie.replaceAll(".", "%2E"),
  twice: (cookie) => `${cookie},${cookie}`,
  "as JSON": (cookie) => JSON.stringify({ cookie }),
  "as a JWT without a signature": () => "eyJhbGciOiJub25lIn0.e30.",
};
