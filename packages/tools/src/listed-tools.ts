/**
 * The tools of a server as its `tools/list` gives them, page by page. One tool that is unusable is left out with
 * a sentence that says so; it does not take the others with it.
 */
import { z } from "zod";

export interface ListedTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly readOnly: boolean;
  readonly idempotent: boolean;
  /** A call waits until a person approves it; no server can say so itself. */
  readonly approval: boolean;
}

export interface ToolList {
  readonly tools: readonly ListedTool[];
  /** Why tools were left out. */
  readonly problems: readonly string[];
}

export const EMPTY_LIST: ToolList = { tools: [], problems: [] };

const PAGES_MAX = 100;
const TOOLS_MAX = 1_000;
const DESCRIPTION_CHARS_MAX = 10_000;
const SCHEMA_CHARS_MAX = 100_000;
const PROBLEMS_MAX = 10;

export const toolPageSchema = z.looseObject({
  tools: z.array(z.unknown()),
  nextCursor: z.string().optional(),
});
export type ToolPage = z.infer<typeof toolPageSchema>;

const hint = z.boolean().optional().catch(undefined);

const toolSchema = z.object({
  name: z.string().min(1).max(256),
  title: z.string().optional(),
  description: z.string().optional(),
  inputSchema: z.looseObject({ type: z.literal("object") }),
  annotations: z.object({ readOnlyHint: hint, idempotentHint: hint }).optional().catch(undefined),
  execution: z.object({ taskSupport: z.string().optional() }).optional().catch(undefined),
});

/** Reads all pages. `fetchPage` asks the server for one. */
export async function readToolList(
  fetchPage: (cursor: string | undefined) => Promise<ToolPage>,
): Promise<ToolList> {
  const tools = new Map<string, ListedTool>();
  const problems: string[] = [];
  const skip = (problem: string) => {
    if (problems.length < PROBLEMS_MAX) problems.push(problem);
  };
  let cursor: string | undefined;
  for (let pages = 1; ; pages += 1) {
    const page = await fetchPage(cursor);
    for (const raw of page.tools) {
      const read = readTool(raw);
      if (typeof read === "string") skip(read);
      else if (tools.has(read.name)) skip(`its tool ${read.name} is listed twice`);
      else tools.set(read.name, read);
    }
    if (page.nextCursor === undefined) break;
    if (pages === PAGES_MAX || tools.size >= TOOLS_MAX) {
      skip(`it lists more than ${TOOLS_MAX} tools or ${PAGES_MAX} pages, the rest is left out`);
      break;
    }
    cursor = page.nextCursor;
  }
  return { tools: [...tools.values()].slice(0, TOOLS_MAX), problems };
}

function readTool(raw: unknown): ListedTool | string {
  const parsed = toolSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return `its tool ${nameOf(raw)} is not valid: ${issue?.path.join(".")}: ${issue?.message}`;
  }
  const { name, title, description, inputSchema, annotations, execution } = parsed.data;
  // Such a tool runs only as a task that is polled for, a part of MCP that is experimental and not spoken here.
  if (execution?.taskSupport === "required")
    return `its tool ${name} runs only as a task, which is not supported`;
  if (JSON.stringify(inputSchema).length > SCHEMA_CHARS_MAX) {
    return `its tool ${name} has a schema of more than ${SCHEMA_CHARS_MAX} characters`;
  }
  return {
    name,
    description: (description ?? title ?? "").slice(0, DESCRIPTION_CHARS_MAX).toWellFormed(),
    // Some models' APIs refuse an object schema without properties.
    inputSchema: { ...inputSchema, properties: inputSchema.properties ?? {} },
    readOnly: annotations?.readOnlyHint === true,
    idempotent: annotations?.idempotentHint === true,
    approval: false,
  };
}

function nameOf(raw: unknown): string {
  const name = typeof raw === "object" && raw !== null && "name" in raw ? raw.name : undefined;
  return typeof name === "string" ? JSON.stringify(name.slice(0, 64)) : "without a name";
}
