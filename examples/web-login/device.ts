export interface Device {
  /** Such as "Firefox on Windows". */
  readonly name: string;
  readonly kind: "phone" | "tablet" | "computer" | "unknown";
}

/** The first that matches counts: most browsers also name those that they are compatible with. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(e|A|iOS)?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\b(Firefox|FxiOS)\//, "Firefox"],
  [/\b(HeadlessChrome|Chrome|CriOS|Chromium)\//, "Chrome"],
  [/\bVersion\/.*\bSafari\//, "Safari"],
  [/^curl\//, "curl"],
];

const SYSTEMS: readonly (readonly [RegExp, string, Device["kind"]])[] = [
  [/\biPhone\b/, "iPhone", "phone"],
  [/\biPad\b/, "iPad", "tablet"],
  [/\bAndroid\b.*\bMobile\b/, "Android phone", "phone"],
  [/\bAndroid\b/, "Android tablet", "tablet"],
  [/\bCrOS\b/, "ChromeOS", "computer"],
  [/\bWindows NT\b/, "Windows", "computer"],
  [/\bMacintosh\b/, "Mac", "computer"],
  [/\bLinux\b/, "Linux", "computer"],
];

/**
 * What a User-Agent header claims to be. It helps users to recognise their devices and proves
 * nothing: every client can send what it likes, and an iPad may call itself a Mac.
 */
export function describeDevice(userAgent: string): Device {
  const browser = BROWSERS.find(([pattern]) => pattern.test(userAgent))?.[1];
  const [, system, kind = "unknown"] = SYSTEMS.find(([pattern]) => pattern.test(userAgent)) ?? [];
  const names = [browser, system].filter((name) => name !== undefined);
  return { name: names.join(" on ") || "Unknown device", kind };
}
