import { describe, expect, test } from "vitest";
import { createFileUrlGuard } from "./file-urls.ts";

const NAMES: Readonly<Record<string, readonly string[]>> = {
  "img.example.com": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
  "rebind.example.com": ["93.184.215.14", "127.0.0.1"],
  "six.example.com": ["fd00::1"],
};

function open(now = () => 0) {
  const asked: string[] = [];
  const resolve = async (name: string): Promise<readonly string[]> => {
    asked.push(name);
    return NAMES[name] ?? [];
  };
  return { guard: createFileUrlGuard({ resolve, now }), asked };
}

const image = (url: string) => ({ type: "image_url", image_url: { url } });
const file = (url: string) => ({ type: "file", file: { file_data: url } });
const withImage = (url: string) => ({ input: [image(url)], model: "openai/gpt-5.2" });

describe("refused", () => {
  test.each([
    ...[
      "http://img.example.com/a.png",
      "ftp://img.example.com/a",
      "file:///etc/passwd",
      "//img.example.com/a",
    ],
    ...["https://127.0.0.1/a", "https://127.1/", "https://0x7f.1/", "https://2130706433/", "https://[::1]/a"],
    ...[
      "https://[::ffff:169.254.169.254]/",
      "https://169.254.169.254/latest/meta-data/",
      "https://10.0.0.1/",
    ],
    ...[
      "https://localhost/a",
      "https://LOCALHOST./",
      "https://a.localhost/",
      "https://redis/",
      "https://redis:6379/",
    ],
    ...[
      "https://vault.internal/",
      "https://printer.local/",
      "https://rebind.example.com/a",
      "https://six.example.com/",
    ],
    ...[
      "https://img.example.com\\@169.254.169.254/",
      "https://img.example.com/\t@10.0.0.1/",
      "https:\\\\img.example.com/",
    ],
    ...["https://img.example.com\n.internal/", " https://img.example.com/", "https://①②⑦.0.0.1/"],
    ...["https://[64:ff9b::7f00:1]/", "https://100.64.0.1/", "https://0.0.0.0/", "https://017700000001/"],
    ...[
      "https://127.0.0.1../",
      "https://localhost../",
      "https://vault.internal../",
      "https://img..example.com/",
    ],
    ...["https://user:pass@img.example.com/a", "not a url", ""],
  ])("%s", async (url) => {
    const { guard } = open();
    await expect(guard.check(withImage(url))).rejects.toMatchObject({ code: "invalid_spec" });
    await expect(guard.check({ input: [file(url)] })).rejects.toMatchObject({ code: "invalid_spec" });
  });

  test("wherever a spec or an input has parts", async () => {
    const bad = image("https://127.0.0.1/a");
    const { guard } = open();
    const places = [
      { input: [{ type: "text", text: "hi" }, bad] },
      {
        messages: [
          { role: "user", content: "hi" },
          { role: "user", content: [bad] },
        ],
      },
      { messages: [{ role: "tool", tool_call_id: "c", content: [bad] }] },
      { message: [bad] },
      { tool_results: [{ tool_call_id: "c", content: [bad] }] },
    ];
    for (const value of places) await expect(guard.check(value)).rejects.toThrow("127.0.0.1");
  });

  test("the error says neither the path nor the address behind a name", async () => {
    const { guard } = open();
    const error: unknown = await guard
      .check(withImage("https://six.example.com/secret?key=canary"))
      .catch((e) => e);
    expect(String(error)).toContain("six.example.com");
    expect(String(error)).not.toMatch(/canary|fd00/);
  });

  test("files of more hosts than a caller may make this machine look up", async () => {
    const { guard, asked } = open();
    const many = { input: Array.from({ length: 33 }, (_, index) => image(`https://h${index}.example.com/`)) };
    await expect(guard.check(many)).rejects.toThrow("33 hosts");
    expect(asked).toEqual([]);
  });
});

describe("taken", () => {
  test.each([
    ...[
      "https://img.example.com/a.png",
      "https://8.8.8.8/a",
      "data:image/png;base64,AAAA",
      "https://unknown.example/",
    ],
    ...["https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/"],
  ])("%s", async (url) => {
    await expect(open().guard.check(withImage(url))).resolves.toBeUndefined();
  });

  test("what is no spec, which its schema refuses", async () => {
    const { guard } = open();
    for (const value of [null, 7, "text", { input: "text" }, { input: [null, 7] }, { messages: "x" }]) {
      await expect(guard.check(value)).resolves.toBeUndefined();
    }
  });

  test("a name is looked up once a minute", async () => {
    let now = 0;
    const { guard, asked } = open(() => now);
    for (now of [0, 59_999, 60_001]) await guard.check(withImage("https://img.example.com/"));
    expect(asked).toHaveLength(2);
  });
});
