/** A `RunService` with some of its methods replaced; the others go to the service behind it. */
import type { RunService } from "@baton/producer";

export function replaceMethods(service: RunService, own: Partial<RunService>): RunService {
  return new Proxy(service, {
    get(target, name) {
      const value: unknown = Object.hasOwn(own, name)
        ? Reflect.get(own, name)
        : Reflect.get(target, name, target);
      // A method of the service reads its private fields, which the proxy does not have.
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
