/**
 * URLs of images and files in what callers send. Baton never fetches one: the provider does, or a model server of the
 * operator's own, which stands inside of the operator's network and would bring what is not public out of it.
 *
 * - `https:` and `data:` alone; no user name or password.
 * - A host that is an address must be public; one that is a name must not be one of a private network, and must not resolve
 *   to a private address here and now.
 * - A name may mean something else when it is fetched, by somebody else. What an own model server may reach is for its
 *   network to say; docs/security.md does.
 */
import { isIP } from "node:net";
import { BatonError } from "@baton/core";
import { isPublicAddress } from "@baton/tools/public-address";

export interface FileUrlGuard {
  /** Throws `invalid_spec` for a URL that may not be fetched. `value` is a run spec, or the input of a waiting run. */
  check(value: unknown): Promise<void>;
}

export interface FileUrlGuardOptions {
  /** The addresses of a name; none when it is not known here. */
  readonly resolve: (name: string) => Promise<readonly string[]>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What a caller can make this machine ask its resolver at once. */
const NAMES_MAX = 32;
const KNOWN_MAX = 1_000;
const KNOWN_MS_MAX = 60_000;
/** Where these stand, one reader of URLs finds another host than the next: whoever fetches it reads it anew. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const AMBIGUOUS = /[\s\\\u0000-\u001f\u007f]/;
const PRIVATE_NAME = /^[^.]*$|\.(localhost|local|internal|intranet|lan|home|corp|private|home\.arpa)$/;

export function createFileUrlGuard({ resolve, now }: FileUrlGuardOptions): FileUrlGuard {
  const known = new Map<string, { readonly isPublic: boolean; readonly until: number }>();
  const isPublicName = async (name: string): Promise<boolean> => {
    const before = known.get(name);
    if (before !== undefined && before.until > now()) return before.isPublic;
    const isPublic = (await resolve(name)).every(isPublicAddress);
    known.delete(name);
    known.set(name, { isPublic, until: now() + KNOWN_MS_MAX });
    const [oldest = ""] = known.keys();
    if (known.size > KNOWN_MAX) known.delete(oldest);
    return isPublic;
  };
  return {
    async check(value) {
      const names = new Set<string>();
      for (const url of fileUrlsOf(value)) {
        const name = nameIn(url);
        if (name !== undefined) names.add(name);
      }
      if (names.size > NAMES_MAX) {
        throw new BatonError(
          "invalid_spec",
          `files come from ${names.size} hosts: at most ${NAMES_MAX} are taken`,
        );
      }
      for (const name of names) if (!(await isPublicName(name))) throw refused(name);
    },
  };
}

/** The name that must be resolved; nothing for what needs no fetching. Throws for what may not be fetched. */
function nameIn(text: string): string | undefined {
  if (text.startsWith("data:")) return undefined;
  if (AMBIGUOUS.test(text)) {
    throw new BatonError(
      "invalid_spec",
      "the URL of a file or image has a backslash, a space or a control character",
    );
  }
  if (!URL.canParse(text)) throw new BatonError("invalid_spec", "the URL of a file or image is none");
  const url = new URL(text);
  if (url.protocol === "data:") return undefined;
  if (url.protocol !== "https:") {
    throw new BatonError(
      "invalid_spec",
      "a file or image comes from an https: URL, or as a base64 data: URL",
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new BatonError("invalid_spec", "the URL of a file or image carries a user name or password");
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  // Readers of URLs differ over how many dots at the end of a name, or of an address, mean nothing.
  if (host.split(".").includes("")) throw refused(host);
  if (isIP(host) !== 0) {
    if (!isPublicAddress(host)) throw refused(host);
    return undefined;
  }
  if (PRIVATE_NAME.test(host)) throw refused(host);
  return host;
}

function refused(host: string): BatonError {
  const message = `files of ${host} are refused: it is not on the public internet. Send the file as a data: URL`;
  return new BatonError("invalid_spec", message, { fields: { host } });
}

/** Of all parts that stand where a spec, or an input, has parts. What has another shape is refused by its schema. */
function* fileUrlsOf(value: unknown): Generator<string, void, void> {
  if (!isObject(value)) return;
  yield* urlsOfParts(value.input);
  yield* urlsOfParts(value.message);
  for (const list of [value.messages, value.tool_results]) {
    if (!Array.isArray(list)) continue;
    for (const entry of list) if (isObject(entry)) yield* urlsOfParts(entry.content);
  }
}

function* urlsOfParts(parts: unknown): Generator<string, void, void> {
  if (!Array.isArray(parts)) return;
  for (const part of parts) {
    if (!isObject(part)) continue;
    const { image_url: image, file } = part;
    if (isObject(image) && typeof image.url === "string") yield image.url;
    if (isObject(file) && typeof file.file_data === "string") yield file.file_data;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
