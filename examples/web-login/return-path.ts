/** Where nobody is sent back to: after a login, the login form makes no sense. */
const NOT_PAGES = new Set(["/login"]);

/**
 * Makes a path of this site of what a link or a form names as the page to return to, and "/" of
 * everything else. It never leads to another site, however a browser reads it.
 */
export function returnPath(value: unknown): string {
  if (typeof value !== "string" || !value.startsWith("/")) return "/";
  const base = "http://this-site.invalid";
  const url = URL.parse(value, base);
  // The parser reads backslashes and control characters as browsers do.
  if (url === null || url.origin !== base) return "/";
  const { pathname, search } = url;
  // "/.//example.com" has this origin, but its path alone would name another host.
  if (pathname.startsWith("//") || NOT_PAGES.has(pathname)) return "/";
  return pathname + search;
}

/** The page that a form was sent from, by its Referer header; "/" if that is another site's. */
export function pageOfForm(referer: string | undefined, host: string | undefined): string {
  const url = URL.parse(referer ?? "");
  return url !== null && url.host === host ? returnPath(url.pathname + url.search) : "/";
}
