/**
 * LangGraph with its Postgres checkpointer: a run is a thread, a phase is a node, the conversation is a list of texts in
 * the state. Choices in its favour:
 * - Durability `async`, its default: a checkpoint is written while the next node runs already, so a crash may lose the
 *   last reply. The second argument `sync` waits for it, which is what the other engines do.
 * - Plain texts and not LangChain's message objects, which are larger and slower to store.
 * - A connection for each run that is alive, where the default is 10.
 */
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import pg from "pg";
import { ALIVE, argumentAt, driveRounds, replyOf } from "./peer-driver.ts";

const State = Annotation.Root({
  run: Annotation<string>(),
  replies: Annotation<readonly string[], string>({
    reducer: (before, reply) => [...before, reply],
    default: () => [],
  }),
});
type Conversation = typeof State.State;

const phase = (index: number) => (state: Conversation) => ({ replies: replyOf(state.run, index) });

const durability = process.argv[3] === "sync" ? "sync" : "async";
const pool = new pg.Pool({ connectionString: argumentAt(0), max: Number(process.env.PEER_POOL ?? ALIVE) });
const checkpointer = new PostgresSaver(pool);
await checkpointer.setup();
const graph = new StateGraph(State)
  .addNode("phase0", phase(0))
  .addNode("phase1", phase(1))
  .addNode("phase2", phase(2))
  .addNode("phase3", phase(3))
  .addNode("phase4", phase(4))
  .addEdge(START, "phase0")
  .addEdge("phase0", "phase1")
  .addEdge("phase1", "phase2")
  .addEdge("phase2", "phase3")
  .addEdge("phase3", "phase4")
  .addEdge("phase4", END)
  .compile({ checkpointer });

await driveRounds(async (run) => {
  const state = await graph.invoke({ run }, { configurable: { thread_id: run }, durability });
  return state.replies;
});
await pool.end();
