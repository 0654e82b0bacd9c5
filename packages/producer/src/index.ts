export { firstItems, userItem } from "./first-items.ts";
export * from "./producer.ts";
