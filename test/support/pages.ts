/** Follows next_page_token to the end; `between` runs after each page but the last. */
export async function allPages<Page extends { readonly nextPageToken: string }>(
  ask: (pageToken: string) => Promise<Page>,
  between: () => Promise<unknown> = async () => {},
): Promise<Page[]> {
  const pages = [await ask("")];
  for (let token = pages[0]?.nextPageToken ?? ""; token !== ""; ) {
    if (pages.length > 100) throw new Error("the pages have no end");
    await between();
    const page = await ask(token);
    pages.push(page);
    token = page.nextPageToken;
  }
  return pages;
}
