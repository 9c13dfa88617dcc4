/** The origin of connect-web's page, which the servers allow; the browser finds a proxy there. */
export const PAGE_ORIGIN = "http://page.localhost";
