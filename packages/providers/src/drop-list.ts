/** What a request lost on its way to the API: each setting is told once, with the reason. */
import type { DroppedSetting } from "./capabilities.ts";

export type Drop = (setting: string, why: string) => void;

export function dropList(): { readonly drop: Drop; readonly dropped: readonly DroppedSetting[] } {
  const dropped: DroppedSetting[] = [];
  return {
    dropped,
    drop: (setting, why) => {
      if (!dropped.some((known) => known.setting === setting)) dropped.push({ setting, why });
    },
  };
}
