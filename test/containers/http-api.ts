/** The API of a Compose project, as somebody on this machine calls it. */
import { command } from "./command.ts";
import type { ComposeProject } from "./compose-project.ts";

const PORT = "4800";

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  /** The body as JSON; fails when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape, and assert what they find.
  readonly json: () => any;
}

export interface HttpCall {
  readonly method?: "GET" | "POST";
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text goes as it is, anything else as JSON. */
  readonly body?: unknown;
}

/** Asks where the API is each time: a container that starts again has another port here, if it was told to take a free one. */
export async function callApi(
  project: ComposeProject,
  path: string,
  { method, key, headers, body }: HttpCall = {},
): Promise<HttpAnswer> {
  const address = await project.compose("port", "api", PORT);
  const response = await fetch(`http://${address}${path}`, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, json: () => JSON.parse(text) };
}

/**
 * Kills the process below the init, as a crash would: what `docker kill` ends is taken for stopped by hand and is not
 * started again.
 */
export async function crash(container: string): Promise<void> {
  await command("docker", ["exec", container, "sh", "-c", "kill -9 $(cat /proc/1/task/1/children)"]);
}
