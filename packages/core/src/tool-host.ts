/** What a tool host is: it lists the tools that a run may use, and executes one call at a time. */
import type { FilePart, TextPart } from "./item.ts";

export interface ToolDefinition {
  /** Unique in its run; at most 64 characters out of `[a-zA-Z0-9_-]`. */
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments, an object schema. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
  /** Whoever gave the schema wrote it for OpenAI's strict mode, and wants arguments that keep to it. */
  readonly strict?: true | undefined;
  /** Neither read-only nor idempotent calls get a marker item before they start (DESIGN: outcome unknown). */
  readonly readOnly: boolean;
  readonly idempotent: boolean;
  /** A call waits until a person approves it. */
  readonly approval: boolean;
  readonly origin:
    | { readonly kind: "mcp"; readonly server: string; readonly tool: string }
    | { readonly kind: "function" }
    | { readonly kind: "client" }
    | { readonly kind: "transfer" };
}

/** Which tools a run names: MCP servers by slug or URL, functions by their name in the configuration. */
export interface ToolSelection {
  readonly servers: readonly string[];
  readonly functions: readonly string[];
}

export interface ToolCatalogue {
  /** Sorted by name. */
  readonly tools: readonly ToolDefinition[];
  /** Servers that could not be listed; the phase goes on without them, and says so in an event. */
  readonly problems: readonly { readonly server: string; readonly message: string }[];
}

export interface ToolInvocation {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly selection: ToolSelection;
  readonly runId: string;
  readonly callId: string;
  /** Stable over retries of the same call; passed to the tool so that it can refuse to act twice. */
  readonly idempotencyKey: string;
  /** A person approved this call. Without it, a tool that needs approval is refused with an error outcome. */
  readonly approved: boolean;
  /** Told before each wait that a further try follows. */
  readonly onRetry?: ((retry: ToolRetry) => void) | undefined;
}

/** A try of a call that failed on its way, not at the tool. */
export interface ToolRetry {
  /** The try that failed, from 1. */
  readonly attempt: number;
  readonly message: string;
  readonly waitMs: number;
}

export interface ToolOutcome {
  readonly isError: boolean;
  readonly content: readonly (TextPart | FilePart)[];
  /** The MCP server that the call went to, by the name that `ToolDefinition.origin` gives it. */
  readonly server?: string | undefined;
}

export interface ToolHost {
  list(selection: ToolSelection, signal: AbortSignal): Promise<ToolCatalogue>;
  /** Never throws for what a tool or server does wrong: that is an error outcome. Throws on abort alone. */
  call(invocation: ToolInvocation, signal: AbortSignal): Promise<ToolOutcome>;
  close(): Promise<void>;
}
