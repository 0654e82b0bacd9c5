/** Every HTTP answer that clients of this process get is written down, whichever library asked: all of them call `fetch`. */
import { z } from "zod";
import type { Exchange } from "../stories.ts";
import { type ClientWorld, write } from "./world.ts";

const codeSchema = z.object({ error: z.object({ code: z.string() }) });
/** In the protocol's form, `/mcp` says it in the message. */
const rpcSchema = z.object({ jsonrpc: z.literal("2.0"), error: z.object({ message: z.string() }) });

/** `keys`: tasks by the bounded key that is theirs alone. */
export function recordFetch(world: ClientWorld, keys: ReadonlyMap<string, string>): void {
  const plain = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const at = Date.now();
    const asked = input instanceof Request ? input : { url: String(input), method: init?.method ?? "GET" };
    const key = keys.get(bearerOf(input, init));
    const note = (status: number, told: Partial<Exchange> = {}): void => {
      const exchange: Exchange = {
        ...{ at, ms: Date.now() - at, method: asked.method.toUpperCase(), path: new URL(asked.url).pathname },
        ...{ status, ...told, ...(key === undefined ? {} : { key }) },
      };
      write(world, "exchanges", exchange);
    };
    try {
      const response = await whole(await plain(input, init));
      note(response.status, response.told);
      return response.answer;
    } catch (error) {
      // It may have been counted against the key all the same.
      if (key !== undefined) note(0);
      throw error;
    }
  };
}

function bearerOf(input: Parameters<typeof fetch>[0], init: RequestInit | undefined): string {
  const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
  return (headers.get("authorization") ?? "").replace(/^Bearer /i, "");
}

/** An error is read here, and its reader is given what was read. */
async function whole(answer: Response): Promise<Seen> {
  const { status, statusText, headers } = answer;
  if (status < 400) return { status, answer };
  const text = await answer.text();
  const retryAfter = headers.get("retry-after");
  const shouldRetry = headers.get("x-should-retry");
  const code = codeIn(text);
  return {
    status,
    answer: new Response(text, { status, statusText, headers }),
    told: {
      ...(code === undefined ? {} : { code }),
      ...(retryAfter === null ? {} : { retryAfter }),
      ...(shouldRetry === null ? {} : { shouldRetry }),
    },
  };
}

interface Seen {
  readonly status: number;
  readonly answer: Response;
  readonly told?: Partial<Exchange>;
}

function codeIn(text: string): string | undefined {
  try {
    const body: unknown = JSON.parse(text);
    const rpc = rpcSchema.safeParse(body);
    if (rpc.success) return /^\w+(?=: )/.exec(rpc.data.error.message)?.[0];
    return codeSchema.parse(body).error.code;
  } catch {
    // No error of Baton's: the judge misses its code.
    return undefined;
  }
}
