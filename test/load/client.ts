/** An HTTP client that keeps its connections, has a key, and gives up after a while. */
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";

export interface Asked {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface Got {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

export interface Client extends Disposable {
  ask(asked: Asked): Promise<Got>;
  /** The answer when its head has come; whoever asked reads it, or destroys it. */
  open(asked: Asked): Promise<IncomingMessage>;
}

const ANSWER_MS_MAX = 30_000;
const CONNECTIONS_MAX = 512;

export function openClient(url: string, key: string): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  const open = async ({ method = "GET", path, headers, body }: Asked): Promise<IncomingMessage> => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const asking = request(`${url}${path}`, {
      agent,
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(text === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
        ...headers,
      },
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    asking.end(text);
    const [response] = (await once(asking, "response")) as [IncomingMessage];
    return response;
  };
  return {
    open,
    async ask(asked) {
      const response = await open(asked);
      response.setEncoding("utf8");
      let text = "";
      for await (const piece of response) text += piece;
      return { status: response.statusCode ?? 0, headers: response.headers, text };
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}
