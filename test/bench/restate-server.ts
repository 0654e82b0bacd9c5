/** A real restate-server on ports of its own, with its defaults and a temporary data folder. */
import { once } from "node:events";
import { access } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { tempFolder } from "../support/temp-folder.ts";
import { startServerChild } from "./server-child.ts";

export interface RestateServer extends AsyncDisposable {
  readonly ingressUrl: string;
  readonly adminUrl: string;
  readonly pid: number;
}

export async function startRestateServer(modules: string): Promise<RestateServer> {
  const platform = `restate-server-${process.platform}-${process.arch}`;
  const file = join(modules, "@restatedev", platform, "bin", "restate-server");
  await access(file);
  const [ingress, admin, node] = await Promise.all([freePort(), freePort(), freePort()]);
  const folder = await tempFolder();
  try {
    const adminUrl = `http://127.0.0.1:${admin}`;
    const ingressUrl = `http://127.0.0.1:${ingress}`;
    const server = await startServerChild({
      file,
      args: ["--no-logo"],
      cwd: folder.path,
      env: {
        RESTATE_BASE_DIR: folder.path,
        RESTATE_LISTEN_MODE: "tcp",
        RESTATE_BIND_IP: "127.0.0.1",
        RESTATE_BIND_PORT: String(node),
        RESTATE_INGRESS__BIND_PORT: String(ingress),
        RESTATE_ADMIN__BIND_PORT: String(admin),
        RESTATE_DISABLE_TELEMETRY: "true",
        RESTATE_LOG_FILTER: "warn",
      },
      isReady: async () => {
        const answers = await Promise.all([
          fetch(`${adminUrl}/health`),
          fetch(`${ingressUrl}/restate/health`),
        ]);
        return answers.every((answer) => answer.ok);
      },
    });
    return {
      ingressUrl,
      adminUrl,
      pid: server.pid,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  // A server that listens on a port has an address of this kind.
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
