type Change = (cookie: string) => string;

/** The last of four parts, changed. */
function withMac(cookie: string, change: (mac: string) => string): string {
  const [version, sessionId, keyId, mac = ""] = cookie.split(".");
  return [version, sessionId, keyId, change(mac)].join(".");
}

const ofBytes = (length: number) => Buffer.alloc(length, 1).toString("base64url");

const versions = ["", "v", "1", "v0", "v2", "v99", "V1", "v01", "v1 ", " v1", "v1\0", "\uff561"];

/** Changes a genuine cookie into one of another version, by its description. */
export const wrongVersions: Readonly<Record<string, Change>> = {
  "without a version": (cookie) => cookie.slice(3),
  ...Object.fromEntries(
    versions.map((version): [string, Change] => [
      `of version ${JSON.stringify(version)}`,
      (cookie) => cookie.replace("v1", version),
    ]),
  ),
};

/**
 * What else can be wrong with the form of a cookie value, by its description: each changes a
 * genuine one into one that must be refused before any database is asked.
 */
export const malformedCookies: Readonly<Record<string, Change>> = {
  "that is empty": () => "",
  "that is blank": () => " ",
  "that is a dot": () => ".",
  "that is three dots": () => "...",
  "that is four dots": () => "....",
  "that is a version and dots": () => "v1...",
  "without dots": (cookie) => cookie.replaceAll(".", ""),
  "of two parts": (cookie) => cookie.split(".").slice(0, 2).join("."),
  "that lacks its MAC": (cookie) => cookie.split(".").slice(0, 3).join("."),
  "that lacks its key id": (cookie) => cookie.replace(/sk-\w+\./, ""),
  "with a dot at its start": (cookie) => `.${cookie}`,
  "with a dot at its end": (cookie) => `${cookie}.`,
  "with a part too many": (cookie) => `${cookie}.x`,
  "with a thousand parts too many": (cookie) => `${cookie}${".x".repeat(1000)}`,
  "with two dots for one": (cookie) => cookie.replace(".", ".."),
  "with two dots before the key id": (cookie) => cookie.replace(".sk", "..sk"),
  "with a fullwidth dot": (cookie) => cookie.replace(".", "\uff0e"),
  "with ideographic full stops": (cookie) => cookie.replaceAll(".", "\u3002"),
  "without ses-": (cookie) => cookie.replace("ses-", ""),
  "with SES-": (cookie) => cookie.replace("ses-", "SES-"),
  "without sk-": (cookie) => cookie.replace("sk-", ""),
  "with sx-": (cookie) => cookie.replace("sk-", "sx-"),
  "with its ids exchanged": (cookie) => cookie.replace(/(ses-\w+)\.(sk-\w+)/, "$2.$1"),
  "with an empty session id": (cookie) => cookie.replace(/ses-\w+/, "ses-"),
  "with a session id in upper case": (cookie) =>
    cookie.replace(/ses-\w+/, (id) => `ses-A${id.slice(5).toUpperCase()}`),
  "with a session id that lacks a digit": (cookie) => cookie.replace(/ses-\w/, "ses-"),
  "with a session id of a digit too many": (cookie) => cookie.replace(/ses-\w+/, "$&0"),
  "with a session id that is not hexadecimal": (cookie) => cookie.replace(/ses-\w/, "ses-g"),
  "with a line feed after the session id": (cookie) => cookie.replace(/ses-\w+/, "$&\n"),
  "with NUL after the session id": (cookie) => cookie.replace(/ses-\w+/, "$&\0"),
  "with the key id __proto__": (cookie) => cookie.replace(/sk-\w+/, "__proto__"),
  "with the key id sk-__proto__": (cookie) => cookie.replace(/sk-\w+/, "sk-__proto__"),
  "with the key id constructor": (cookie) => cookie.replace(/sk-\w+/, "constructor"),
  "with the key id ../": (cookie) => cookie.replace(/sk-\w+/, "../"),
  "with a path for a key id": (cookie) => cookie.replace(/sk-\w+/, "sk-/etc/passwd"),
  "with SQL for a key id": (cookie) => cookie.replace(/sk-\w+/, "sk-' OR ''='"),
  "with SQL for a session id": (cookie) => cookie.replace(/ses-\w+/, "ses-' OR ''='"),
  "with Arabic digits": (cookie) => cookie.replace("ses-0", "ses-\u0660"),
  "with a Kelvin sign for the k": (cookie) => cookie.replace("sk-", "s\u212a-"),
  "with a digit of the session id moved to the key id": (cookie) =>
    cookie.replace(/(\w)\.sk-/, ".sk-$1"),
  "with an empty key id": (cookie) => cookie.replace(/sk-\w+/, ""),
  "with the key id sk-": (cookie) => cookie.replace(/sk-\w+/, "sk-"),
  "with a key id of a digit too many": (cookie) => cookie.replace(/sk-\w+/, "$&f"),
  "with a key id in upper case": (cookie) =>
    cookie.replace(/sk-\w+/, (id) => `sk-A${id.slice(4).toUpperCase()}`),
  "with an empty MAC": (cookie) => withMac(cookie, () => ""),
  "with a MAC of 31 bytes": (cookie) => withMac(cookie, () => ofBytes(31)),
  "with a MAC of 33 bytes": (cookie) => withMac(cookie, () => ofBytes(33)),
  "with its MAC cut to 31 bytes": (cookie) =>
    withMac(cookie, (mac) => Buffer.from(mac, "base64url").subarray(0, 31).toString("base64url")),
  "with its MAC and a zero byte": (cookie) =>
    withMac(cookie, (mac) =>
      Buffer.concat([Buffer.from(mac, "base64url"), Buffer.alloc(1)]).toString("base64url"),
    ),
  "with a MAC of 32 other bytes": (cookie) => withMac(cookie, () => ofBytes(32)),
  "with a MAC of zeros": (cookie) => withMac(cookie, () => "A".repeat(43)),
  "with a padded MAC": (cookie) => `${cookie}=`,
  "with padding for the last character of its MAC": (cookie) => `${cookie.slice(0, -1)}=`,
  "with a MAC whose last character is another of the same bytes": (cookie) =>
    withMac(cookie, (mac) => {
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      return mac.slice(0, -1) + alphabet[alphabet.indexOf(mac.slice(-1)) + 1];
    }),
  "with a MAC that is not base64": (cookie) => withMac(cookie, () => "!".repeat(43)),
  "with a MAC of which one character is not base64": (cookie) =>
    withMac(cookie, (mac) => `*${mac.slice(1)}`),
  "with a MAC of which one character is not ASCII": (cookie) =>
    withMac(cookie, (mac) => `\u00e9${mac.slice(1)}`),
  "with another MAC in the standard alphabet": (cookie) =>
    withMac(cookie, () => Buffer.alloc(32, 0xfb).toString("base64").replace("=", "")),
  "with its MAC in hexadecimal": (cookie) =>
    withMac(cookie, (mac) => Buffer.from(mac, "base64url").toString("hex")),
  "with a blank in its MAC": (cookie) =>
    withMac(cookie, (mac) => `${mac.slice(0, 20)} ${mac.slice(20)}`),
  "with a blank before it": (cookie) => ` ${cookie}`,
  "with a blank after it": (cookie) => `${cookie} `,
  "with blanks around it": (cookie) => ` ${cookie} `,
  "with a line feed after it": (cookie) => `${cookie}\n`,
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
