/** Names of servers: a slug, or a URL that stands for itself. */

export function isServerUrl(name: string): boolean {
  return /^https?:\/\//i.test(name);
}

/** What a name is called where it is shown: a URL loses its query, which may hold a key. */
export function labelOf(name: string): string {
  if (!isServerUrl(name) || !URL.canParse(name)) return name;
  const url = new URL(name);
  return `${url.origin}${url.pathname}`;
}
