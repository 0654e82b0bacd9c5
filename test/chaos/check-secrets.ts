/** R9: no secret is in what Redis holds or what was logged, as it is or as URLs, JSON and headers write it. */
import type { History, Violation } from "./history.ts";

export function checkSecrets({ texts, secrets }: History): readonly Violation[] {
  return secrets.flatMap((secret, number) => {
    const forms = formsOf(secret);
    return texts
      .filter(({ text }) => forms.some((form) => text.includes(form)))
      .map(({ where }) => ({
        invariant: "R9" as const,
        runId: "",
        // The secret itself is not said again.
        what: `the secret number ${number} is in ${where}`,
      }));
  });
}

function formsOf(secret: string): readonly string[] {
  if (secret.length < 8)
    throw new Error("a secret of a history is so short that it may be anywhere by chance");
  const bytes = Buffer.from(secret);
  // The last bytes are written another way when more follow them.
  const base64 = bytes.subarray(0, bytes.length - (bytes.length % 3)).toString("base64");
  return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), base64];
}
