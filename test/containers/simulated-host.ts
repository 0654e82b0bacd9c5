/**
 * Simulated models on this machine that containers reach. They listen on loopback alone, so a port that is open to
 * the containers' networks passes on to them. Their journal stays here: it is the proof of what was bought.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type Pace, type SimulatedModels, startSimulatedModels } from "@baton/demo";

/** The name of this machine inside of a container that was given `EXTRA_HOST`. */
const HOST_NAME = "host.docker.internal";
export const EXTRA_HOST = { host: HOST_NAME, ipAddress: "host-gateway" } as const;

export interface SimulatedHost extends AsyncDisposable {
  readonly models: SimulatedModels;
  /** A `baton.config.json` for the containers: both providers, and the documents, which are in the image. */
  readonly config: string;
}

export async function openSimulatedHost(pace: Pace): Promise<SimulatedHost> {
  const models = await startSimulatedModels({ pace });
  const target = Number(new URL(models.url).port);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      // A client that dies takes its call with it.
      socket.on("error", () => other.destroy());
      socket.pipe(other);
    }
  });
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  // A server that listens on a port has an address of this kind.
  const { port } = server.address() as AddressInfo;
  return {
    models,
    config: configOf(`http://${HOST_NAME}:${port}`),
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await models.close();
    },
  };
}

function configOf(url: string): string {
  const folder = "/app/apps/demo";
  return JSON.stringify({
    providers: {
      openai: {
        api: "openai-responses",
        baseURL: `${url}/v1`,
        apiKeyEnv: "OPENAI_API_KEY",
        simulated: true,
      },
      anthropic: {
        api: "anthropic-messages",
        baseURL: url,
        apiKeyEnv: "ANTHROPIC_API_KEY",
        simulated: true,
      },
    },
    mcpServers: {
      "demo/documents": {
        command: "node",
        args: [`${folder}/src/document-server.ts`, `${folder}/documents`],
      },
    },
  });
}
