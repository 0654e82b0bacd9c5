/**
 * The tools that a caller of the `Runner` brings. A name stands for a function of the operator's configuration,
 * which runs on any worker. Anything else is the caller's own: models are told its schema, and the call comes
 * back to this process, the only one that has the code.
 */
import { BatonError, describeIssues, type FunctionContext } from "@baton/core";
import { z } from "zod";
import { parameterNames } from "./parameter-names.ts";

/** JSON Schema of an object, or a zod object, by which arguments are also checked. */
export type ToolParameters = z.ZodObject | Readonly<Record<string, unknown>>;

/**
 * A plain function. Without `parameters` its parameters are told to the model by their names alone, with any JSON
 * value for each, and are given one by one; with `parameters` it gets one object.
 */
export type PlainFunctionTool = ((...args: never[]) => unknown) & {
  readonly description?: string;
  readonly parameters?: ToolParameters;
};

/** A function with its schema; what core's `functionTool` makes is one. */
export interface LocalFunctionTool {
  readonly name: string;
  readonly description?: string;
  readonly parameters?: ToolParameters;
  readonly timeoutMs?: number;
  /** Returns text or any JSON value; what it throws is told to the model. */
  readonly run: (args: Record<string, unknown>, context: FunctionContext) => unknown;
}

/**
 * A tool as chat completions define it. Without code its calls are left to the caller; the `zodFunction` helpers
 * of the Dedalus and OpenAI SDKs put code and parser on it.
 */
export interface ToolDefinitionParam {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string | undefined;
    readonly parameters?: Readonly<Record<string, unknown>> | undefined;
    readonly strict?: boolean | null | undefined;
  };
  readonly $callback?: ((args: never) => unknown) | undefined;
  readonly $parseRaw?: (args: string) => unknown;
}

export type RunnerTool = string | PlainFunctionTool | LocalFunctionTool | ToolDefinitionParam;

/** A tool with code, called with the parsed arguments. Throws what the model is to be told. */
type Call = (args: Record<string, unknown>, context: FunctionContext) => unknown;

export interface LocalTool {
  readonly call: Call;
  readonly timeoutMs: number | undefined;
}

export interface LocalTools {
  /** As they stand in a spec's `tools`. */
  readonly specs: readonly (string | object)[];
  /** Those with code, by name. */
  readonly local: ReadonlyMap<string, LocalTool>;
}

/** Reads the tools of a run, or throws `invalid_spec` with the tool that is wrong. */
export function readTools(tools: Iterable<RunnerTool>): LocalTools {
  const specs: (string | object)[] = [];
  const local = new Map<string, LocalTool>();
  const names = new Set<string>();
  for (const tool of tools) {
    const { name, spec, code } = readTool(tool);
    if (names.has(name)) throw invalidTool(name, "stands in the list twice");
    names.add(name);
    specs.push(spec);
    if (code !== undefined) local.set(name, code);
  }
  return { specs, local };
}

interface ReadTool {
  readonly name: string;
  readonly spec: string | object;
  readonly code: LocalTool | undefined;
}

function readTool(tool: RunnerTool): ReadTool {
  if (typeof tool === "string") return { name: tool, spec: tool, code: undefined };
  if (typeof tool === "function") return readFunction(tool);
  if ("type" in tool) return readDefinition(tool);
  const { name, description, parameters, timeoutMs, run } = tool;
  if (typeof run !== "function") throw invalidTool(name, "has no `run` function");
  const { schema, check } = readParameters(name, parameters ?? EMPTY);
  const call: Call = (args, context) => run(check(args), context);
  return { name, spec: specOf(name, description, schema), code: { call, timeoutMs } };
}

function readFunction(tool: PlainFunctionTool): ReadTool {
  const { name, description, parameters } = tool;
  if (name === "") throw invalidTool("(anonymous)", "has no name: models call a function by its name");
  // A caller's function takes what its schema or its parameter names say, which its type cannot.
  const code = tool as (...args: unknown[]) => unknown;
  if (parameters !== undefined) {
    const { schema, check } = readParameters(name, parameters);
    const call: Call = (args, context) => code(check(args), context);
    return { name, spec: specOf(name, description, schema), code: { call, timeoutMs: undefined } };
  }
  const read = parameterNames(Function.prototype.toString.call(tool));
  if (read === undefined) {
    throw invalidTool(name, "takes parameters whose names cannot be told: give it a `parameters` schema");
  }
  const schema = {
    type: "object",
    properties: Object.fromEntries(read.map((parameter) => [parameter.name, {}])),
    required: read.filter((parameter) => parameter.required).map((parameter) => parameter.name),
    additionalProperties: false,
  };
  const call: Call = (args) => code(...read.map((parameter) => args[parameter.name]));
  return { name, spec: specOf(name, description, schema), code: { call, timeoutMs: undefined } };
}

function readDefinition(tool: ToolDefinitionParam): ReadTool {
  const { name, description, parameters, strict } = tool.function;
  const spec = specOf(name, description, parameters, strict);
  const { $callback: callback, $parseRaw: parseRaw } = tool;
  if (typeof callback !== "function") return { name, spec, code: undefined };
  // The helper that made the tool typed its function by the same schema that parses here.
  const run = callback as (args: unknown) => unknown;
  const call: Call = (args) => run(parseRaw === undefined ? args : parseRaw(JSON.stringify(args)));
  return { name, spec, code: { call, timeoutMs: undefined } };
}

const EMPTY = { type: "object", properties: {}, additionalProperties: false } as const;

interface ReadParameters {
  readonly schema: Readonly<Record<string, unknown>>;
  /** The arguments as the schema gives them, or throws what does not fit. */
  readonly check: (args: Record<string, unknown>) => Record<string, unknown>;
}

function readParameters(name: string, parameters: ToolParameters): ReadParameters {
  if (!isZodObject(parameters)) return { schema: parameters, check: (args) => args };
  const check = (args: Record<string, unknown>): Record<string, unknown> => {
    const parsed = parameters.safeParse(args);
    if (parsed.success) return parsed.data;
    throw new Error(`the arguments do not fit: ${describeIssues(parsed.error)}`, { cause: parsed.error });
  };
  try {
    return { schema: jsonSchemaOf(parameters, "input"), check };
  } catch (error) {
    throw invalidTool(name, "has parameters that JSON Schema cannot express", error);
  }
}

/** By its form and not by its class, so that the caller may have a zod of its own. */
function isZodObject(parameters: ToolParameters): parameters is z.ZodObject {
  return "safeParse" in parameters && typeof parameters.safeParse === "function";
}

/** JSON Schema of what goes into a schema or comes out of it, without the mark of its dialect. */
export function jsonSchemaOf(schema: z.ZodType, io: "input" | "output"): Record<string, unknown> {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, target: "draft-7" });
  return rest;
}

function specOf(name: string, description?: string, parameters?: object, strict?: boolean | null): object {
  return {
    type: "function",
    function: {
      name,
      ...(description === undefined ? {} : { description }),
      ...(parameters === undefined ? {} : { parameters }),
      ...(strict === undefined || strict === null ? {} : { strict }),
    },
  };
}

function invalidTool(name: string, what: string, cause?: unknown): BatonError {
  return new BatonError("invalid_spec", `tools: ${name} ${what}`, { cause });
}
