/** `baton batch submit`: the file is checked whole, then each line becomes a run; called again it goes on. */
import { type BatchFlags, readBatchFlags } from "../batch-flags.ts";
import { BatchReport } from "../batch-report.ts";
import { openBatchSource } from "../batch-source.ts";
import { openCommand } from "../command-context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { keepMemoryFlat } from "../flat-memory.ts";
import { listenForInterrupt } from "../interrupt.ts";

export async function submit(path: string, flags: BatchFlags): Promise<ExitCode> {
  keepMemoryFlat();
  const { reading, opening } = await readBatchFlags(path, flags);
  using interrupt = listenForInterrupt();
  const { signal } = interrupt;
  let isSending = false;
  const onSending = (): void => {
    isSending = true;
  };
  try {
    await using source = await openBatchSource(path, signal);
    await using context = await openCommand({ quiet: flags.json === true });
    using report = await BatchReport.open(context.terminal, flags, source);
    const all = { source, flags, reading, opening, report, signal };
    if (context.at === "server") {
      const { uploadFile } = await import("../batch-upload.ts");
      return await uploadFile({ ...all, context });
    }
    const { sendFile } = await import("../batch-send.ts");
    return await sendFile({ ...all, context, onSending });
  } catch (error) {
    if (isSending || !signal.aborted || error !== signal.reason) throw error;
    process.stderr.write("baton: interrupted before anything was submitted\n");
    return EXIT.runFailed;
  }
}
