import type { ToolOutcome } from "@baton/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callResultSchema, toOutcome } from "./tool-result.ts";

const PIXEL = "iVBORw0KGgo=";

function outcome(result: unknown, charsMax = 1_000, redact = (text: string) => text): ToolOutcome {
  return toOutcome(callResultSchema.parse(result), { charsMax, redact });
}
/**
 * Long enough, together, to be cut in most runs, and with whole and half surrogate pairs at any place. Made from an array:
 * `fc.string` of such units takes a second to be set up.
 */
const anyText = fc
  .array(
    fc.oneof(
      fc.constantFrom("a", "\u{1f600}", "\ud83d", "\ude00"),
      fc.nat({ max: 0xffff }).map((code) => String.fromCharCode(code)),
    ),
    { maxLength: 150, size: "max" },
  )
  .map((units) => units.join(""));
const content = (...blocks: readonly unknown[]) => outcome({ content: blocks }).content;
const chars = ({ content }: ToolOutcome) =>
  content.reduce((sum, part) => sum + (part.type === "text" ? part.text.length : 0), 0);

describe("content becomes parts", () => {
  test("texts stay texts, an error stays an error", () => {
    expect(outcome({ content: [{ type: "text", text: "no such file" }], isError: true })).toEqual({
      isError: true,
      content: [{ type: "text", text: "no such file" }],
    });
  });

  test("an image becomes a file", () => {
    expect(content({ type: "image", data: PIXEL, mimeType: "image/PNG" })).toEqual([
      { type: "file", mediaType: "image/png", source: { kind: "base64", data: PIXEL } },
    ]);
  });

  test("a resource becomes its text, or a file, or a note", () => {
    const resource = (value: object) =>
      content({ type: "resource", resource: { uri: "file:///a/b.pdf", ...value } });
    expect(resource({ text: "hello" })).toEqual([
      { type: "text", text: "[resource file:///a/b.pdf]\nhello" },
    ]);
    expect(resource({ blob: PIXEL, mimeType: "application/pdf" })).toEqual([
      {
        type: "file",
        mediaType: "application/pdf",
        source: { kind: "base64", data: PIXEL },
        name: "b.pdf",
      },
    ]);
    expect(resource({ blob: PIXEL, mimeType: "application/zip" })).toEqual([
      {
        type: "text",
        text: "[Left out: the resource file:///a/b.pdf (application/zip, 8 bytes): models are not given files of this type.]",
      },
    ]);
  });

  test("a link becomes a line, audio and unknown kinds a note", () => {
    expect(
      content(
        { type: "resource_link", uri: "db://x", name: "x", mimeType: "text/csv", description: "rows" },
        { type: "audio", data: PIXEL, mimeType: "audio/wav" },
        { type: "hologram", data: 1 },
        "nonsense",
      ),
    ).toEqual([
      { type: "text", text: "[resource db://x: x, text/csv, rows]" },
      { type: "text", text: "[Left out: audio (audio/wav, 8 bytes): models are not given audio.]" },
      { type: "text", text: '[Left out: content of the kind "hologram": it is not supported.]' },
      { type: "text", text: "[Left out: content of the kind unknown: it is not supported.]" },
    ]);
  });

  test("structured content is told when no text tells it", () => {
    expect(outcome({ structuredContent: { rows: 2 } }).content).toEqual([
      { type: "text", text: '{"rows":2}' },
    ]);
    expect(
      outcome({ content: [{ type: "text", text: "two rows" }], structuredContent: { rows: 2 } }).content,
    ).toEqual([{ type: "text", text: "two rows" }]);
  });

  test("nothing at all is said to be nothing, and empty texts are none", () => {
    for (const result of [{}, { content: [] }, { content: [{ type: "text", text: "" }] }]) {
      expect(outcome(result).content).toEqual([{ type: "text", text: "(The tool returned nothing.)" }]);
    }
  });
});

describe("bounds", () => {
  test("images that are too large or broken become notes", () => {
    const large = "A".repeat(8_000_000);
    expect(content({ type: "image", data: large, mimeType: "image/png" })).toEqual([
      {
        type: "text",
        text: "[Left out: an image (image/png, 6000000 bytes): a file has at most 5000000 bytes.]",
      },
    ]);
    expect(content({ type: "image", data: "not base64!", mimeType: "image/png" })).toEqual([
      { type: "text", text: expect.stringContaining("its base64 is broken") },
    ]);
  });

  test("the images of a result together have a bound", () => {
    const image = { type: "image", data: "A".repeat(6_000_000), mimeType: "image/png" };
    expect(content(image, image, image).map((part) => part.type)).toEqual(["file", "file", "text"]);
  });

  test("very many parts are counted, not kept", () => {
    const parts = content(...Array.from({ length: 1_000 }, () => ({ type: "text", text: "x" })));
    expect(parts).toHaveLength(201);
    expect(parts.at(-1)).toEqual({
      type: "text",
      text: "[Left out: 800 more parts: a result has at most 200.]",
    });
  });

  test("texts are never longer than the bound, and the note tells exactly what is missing", () => {
    fc.assert(
      fc.property(
        fc.array(anyText, { maxLength: 8, size: "max" }),
        fc.integer({ min: 100, max: 600 }),
        (texts, max) => {
          const whole = texts.map((text) => text.toWellFormed()).filter((text) => text !== "");
          const total = whole.join("").length;
          const result = outcome({ content: texts.map((text) => ({ type: "text", text })) }, max);
          expect(chars(result)).toBeLessThanOrEqual(max);
          const joined = result.content.map((part) => (part.type === "text" ? part.text : "")).join("");
          expect(joined.isWellFormed()).toBe(true);
          if (total === 0 || total <= max) return;
          const [note = "", cut] =
            /\n\[Cut here: (\d+) of \d+ characters are left out\.\]$/.exec(joined) ?? [];
          const kept = joined.slice(0, joined.length - note.length);
          expect(whole.join("").startsWith(kept)).toBe(true);
          expect(Number(cut)).toBe(total - kept.length);
        },
      ),
      // To find the shortest example takes minutes.
      { numRuns: 200, endOnFailure: true },
    );
  });

  test("a credential is taken out before the cut, so that no half of one remains", () => {
    const secret = "abcdefghijklmnop";
    const result = outcome(
      { content: [{ type: "text", text: `${"x".repeat(45)}${secret}${"y".repeat(200)}` }] },
      100,
      (text) => text.replaceAll(secret, "[redacted]"),
    );
    expect(JSON.stringify(result)).not.toContain("abc");
  });
});
