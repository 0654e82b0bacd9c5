/** What is true of the whole store, as gauges: for every app that is scraped. */
export { defineFleetGauges, type FleetGauges } from "./signals/fleet-gauges.ts";
export { createFleetReader, type FleetReader, type FleetSource } from "./signals/read-fleet.ts";
