/**
 * A run's events as a person sees them: who speaks, its text as it comes, tools, handoffs. The text of an attempt
 * that was lost is marked as withdrawn when the phase begins anew, because the screen cannot take it back.
 */
import type { RunEvent } from "@baton/core";
import { finalOutput, textOf } from "@baton/core";
import { clean, shorten, type Terminal } from "./terminal.ts";

export class EventRenderer {
  readonly #terminal: Terminal;
  /** Labels of models that are simulated. */
  readonly #labelOf: (model: string) => string;
  /** Whether the cursor stands behind text of a reply that is not written yet. */
  #open = false;
  #speaker = "";

  constructor(terminal: Terminal, labelOf: (model: string) => string = (model) => model) {
    this.#terminal = terminal;
    this.#labelOf = labelOf;
  }

  render(event: RunEvent): void {
    const { style } = this.#terminal;
    switch (event.type) {
      case "snapshot":
        this.#snapshot(event);
        return;
      case "phase":
        if (this.#open)
          this.#line(
            style("yellow", "… withdrawn: the worker was lost, the phase goes on from what was written"),
          );
        this.#speak(
          event.model,
          event.takeover ? "takes over" : event.attempt > 1 ? `attempt ${event.attempt}` : "",
        );
        return;
      case "text":
        this.#terminal.out(clean(event.text));
        this.#open = true;
        return;
      case "turn":
        this.#closeText();
        return;
      case "withdrawn":
        if (this.#open) this.#line(style("yellow", "… withdrawn: the call failed, its text will come anew"));
        return;
      case "tool_start":
        this.#line(style("cyan", `  ⚙ ${clean(event.name)} ${shorten(event.arguments, 90)}`));
        return;
      case "tool_end":
        this.#line(
          style(
            event.isError ? "red" : "dim",
            `  ${event.isError ? "✗" : "✓"} ${clean(event.name)}: ${shorten(event.preview, 90)}`,
          ),
        );
        return;
      case "handoff":
        this.#line(
          style(
            "magenta",
            `→ handed over to ${this.#labelOf(event.to)}${event.reason === "" ? "" : `: ${shorten(event.reason, 100)}`}`,
          ),
        );
        return;
      case "notice":
        this.#line(style("yellow", `  ! ${clean(event.code)}: ${shorten(event.message, 200)}`));
        return;
      case "status":
        this.#status(event);
        return;
      case "reasoning":
        return;
    }
  }

  #snapshot(event: Extract<RunEvent, { type: "snapshot" }>): void {
    for (const item of event.items) {
      if (item.role !== "assistant" || item.origin === undefined) continue;
      if (this.#speaker !== item.origin.model) this.#speak(item.origin.model, "");
      const text = textOf(item);
      if (text !== "") this.#line(clean(text));
      for (const part of item.parts) {
        if (part.type === "tool_call") this.#line(this.#terminal.style("cyan", `  ⚙ ${clean(part.name)}`));
      }
    }
    if (event.partialText !== "") {
      this.#terminal.out(clean(event.partialText));
      this.#open = true;
    } else if (event.items.length > 0 && finalOutput(event.items) === "" && event.run.status === "queued") {
      this.#line(this.#terminal.style("dim", `waiting in the pool ${event.run.model}`));
    }
  }

  #status(event: Extract<RunEvent, { type: "status" }>): void {
    const { style } = this.#terminal;
    if (event.status === "waiting") {
      const what = event.detail === undefined ? "" : ` (${shorten(event.detail, 200)})`;
      this.#line(style("yellow", `‖ waiting: ${event.reason ?? ""}${what}`));
    }
    if (event.status === "failed")
      this.#line(style("red", `✗ failed: ${event.error === undefined ? "" : clean(event.error.message)}`));
    if (event.status === "cancelled") this.#line(style("red", "✗ cancelled"));
    if (event.status === "succeeded") this.#closeText();
  }

  #speak(model: string, remark: string): void {
    this.#speaker = model;
    const label = remark === "" ? this.#labelOf(model) : `${this.#labelOf(model)} (${remark})`;
    this.#line(this.#terminal.style(["bold", "blue"], `── ${label} ──`));
  }

  #line(text: string): void {
    this.#closeText();
    this.#terminal.out(`${text}\n`);
  }

  #closeText(): void {
    if (this.#open) this.#terminal.out("\n");
    this.#open = false;
  }
}
