/**
 * Model ids hold slashes, so a pool's path may be `/v1/pools/openai%2Fgpt-5.2` or, as people type it,
 * `/v1/pools/openai/gpt-5.2`. Before it is routed the second becomes the first. A slash at the end belongs to no model.
 */
const PREFIX = "/v1/pools/";
const ACT = /^(.*)(\/(?:pause|resume))$/;

export function poolPath(url: string): string {
  if (!url.startsWith(PREFIX)) return url;
  const end = url.indexOf("?");
  const path = end < 0 ? url : url.slice(0, end);
  if (path.endsWith("/")) return url;
  const rest = path.slice(PREFIX.length);
  const [, before, act] = ACT.exec(rest) ?? [];
  // What stands before the last word is the model's name only if it is one: `openai/pause` may be a model.
  const isAct = before !== undefined && act !== undefined && /%2f|\//i.test(before);
  const model = isAct ? before : rest;
  return `${PREFIX}${model.replaceAll("/", "%2F")}${isAct ? act : ""}${end < 0 ? "" : url.slice(end)}`;
}
