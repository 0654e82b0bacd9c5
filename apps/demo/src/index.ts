/** What the rest of the repository uses of the demo: tests drive the same models and the same documents. */
import { fileURLToPath } from "node:url";

export { comparePurchases, type JournalEntry, type Purchases } from "./journal.ts";
export {
  DEMO_PACE,
  type Pace,
  type SimulatedModels,
  type SimulatedModelsOptions,
  startSimulatedModels,
} from "./simulated-models.ts";
export { DOCUMENT_SERVER, RESEARCH_MODEL, specOf, TOPICS, type Topic, WRITING_MODEL } from "./topics.ts";

/** For an `mcpServers` entry: `node <DOCUMENT_SERVER_PATH> <DOCUMENTS_PATH>`. */
export const DOCUMENT_SERVER_PATH = fileURLToPath(new URL("./document-server.ts", import.meta.url));
export const DOCUMENTS_PATH = fileURLToPath(new URL("../documents", import.meta.url));
