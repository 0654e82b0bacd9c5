/** Model ids hold slashes, which clients escape and people type: `/v1/models/openai/gpt-5.2` becomes what clients send. */
const PREFIX = "/v1/models/";

export function modelPath(url: string): string {
  if (!url.startsWith(PREFIX)) return url;
  const [path = "", ...query] = url.slice(PREFIX.length).split("?");
  return [`${PREFIX}${path.replaceAll("/", "%2F")}`, ...query].join("?");
}
