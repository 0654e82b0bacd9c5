/**
 * A scripted model at the adapter interface: replies are told by a function of the request, and every call is
 * counted, so that tests can say what was bought. For what goes over the wire, aimock stands in instead.
 */
import {
  type AdapterLookup,
  abortable,
  type ModelDelta,
  type ModelId,
  type ModelReply,
  type ModelRequest,
  NO_USAGE,
  type Part,
  type StopReason,
  splitModelId,
  textOf,
} from "@baton/core";

export interface ScriptedReply {
  readonly parts: readonly Part[];
  readonly stopReason?: StopReason;
}

export type Script = (
  request: ModelRequest,
  signal: AbortSignal,
  onDelta: (delta: ModelDelta) => void,
) => ScriptedReply | Promise<ScriptedReply>;

export interface ScriptedModels {
  readonly adapters: AdapterLookup;
  /** Requests in the order in which they came. */
  readonly calls: { readonly model: ModelId; readonly request: ModelRequest }[];
}

export function scriptedModels(script: Script): ScriptedModels {
  const calls: { model: ModelId; request: ModelRequest }[] = [];
  const adapters: AdapterLookup = (model) => ({
    async call(request, onDelta, signal): Promise<ModelReply> {
      calls.push({ model, request });
      let shown = "";
      const scripted = async () =>
        script(request, signal, (delta) => {
          if (delta.kind === "text") shown += delta.text;
          onDelta(delta);
        });
      // As over the wire: a reply that the script holds back for ever holds up no worker that stops.
      const reply = await abortable(scripted(), signal);
      const said = textOf({ parts: [...reply.parts] });
      // A script may show the beginning of its reply itself.
      const left = said.startsWith(shown) ? said.slice(shown.length) : said;
      if (left !== "") onDelta({ kind: "text", text: left });
      const hasCalls = reply.parts.some((part) => part.type === "tool_call");
      return {
        parts: reply.parts,
        stopReason: reply.stopReason ?? (hasCalls ? "tool_use" : "end"),
        usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 5 },
        origin: { provider: splitModelId(model).provider, api: "openai-chat", model },
      };
    },
  });
  return { adapters, calls };
}

export function text(value: string): Part {
  return { type: "text", text: value };
}

export function call(name: string, value: Record<string, unknown> = {}, callId = `call_${name}`): Part {
  return { type: "tool_call", callId, name, arguments: { kind: "object", value } };
}
