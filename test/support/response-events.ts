/** What the events of a streamed response must keep to, read as a program would that trusts none of them alone. */
import type { ResponseOutputItem, ResponseStreamEvent } from "openai/resources/responses/responses";

interface Told {
  readonly id: string | undefined;
  readonly type: string;
  deltas: string;
  done: ResponseOutputItem | undefined;
}

/** Sentences on what is wrong; none when all is well. */
export function faultsIn(events: readonly ResponseStreamEvent[]): readonly string[] {
  const faults: string[] = [];
  const items: Told[] = [];
  for (const [place, event] of events.entries()) {
    const rule = (isKept: boolean, what: string): void => {
      if (!isKept) faults.push(`event ${place} (${event.type}): ${what}`);
    };
    rule(event.sequence_number === place, `sequence_number is ${event.sequence_number}`);
    if (event.type === "response.output_item.added") {
      rule(event.output_index === items.length, `output_index is ${event.output_index}`);
      items.push({ id: event.item.id ?? undefined, type: event.item.type, deltas: "", done: undefined });
    }
    const item = "output_index" in event ? items[event.output_index] : undefined;
    if ("output_index" in event) rule(item !== undefined && item.done === undefined, "no open item there");
    if ("item_id" in event) rule(event.item_id === item?.id, `item_id is ${event.item_id}`);
    if (item !== undefined && "delta" in event) item.deltas += String(event.delta);
    const whole = wholeOf(event);
    if (whole !== undefined) rule(whole === item?.deltas, `${whole} is told whole, and was ${item?.deltas}`);
    if (event.type === "response.output_item.done" && item !== undefined) {
      rule(event.item.id === item.id && event.item.type === item.type, "another item is done");
      item.done = event.item;
    }
    if (isLast(event)) checkOutput(event.response.output, items, rule);
  }
  return faults;
}

type Rule = (isKept: boolean, what: string) => void;

/** The output of the last event has each item at its index. Only void text is taken out. */
function checkOutput(output: readonly ResponseOutputItem[], items: readonly Told[], rule: Rule): void {
  rule(output.length === items.length, `${output.length} items in the output, and ${items.length} were told`);
  for (const [place, item] of output.entries()) {
    const done = items[place]?.done;
    const isVoid = item.type === "message" && item.content.length === 0;
    const told = isVoid && done?.type === "message" ? { ...done, content: [] } : done;
    rule(JSON.stringify(item) === JSON.stringify(told), `output.${place} is not what was told`);
  }
}

function wholeOf(event: ResponseStreamEvent): string | undefined {
  switch (event.type) {
    case "response.output_text.done":
    case "response.reasoning_summary_text.done":
      return event.text;
    case "response.refusal.done":
      return event.refusal;
    case "response.function_call_arguments.done":
    case "response.mcp_call_arguments.done":
      return event.arguments;
    default:
      return undefined;
  }
}

function isLast(event: ResponseStreamEvent) {
  return (
    event.type === "response.completed" ||
    event.type === "response.incomplete" ||
    event.type === "response.failed"
  );
}
