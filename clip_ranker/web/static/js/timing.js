/* The stage timings as bars against the total. */

import { element } from "./element.js";
import { words } from "./language.js";

const STAGES = ["download", "decode", "embed"];

/** Milliseconds below a second, else seconds. */
export const duration = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** Fills a <dl> from the answer's `meta.timing_ms`. */
export function showTiming(list, timing) {
  const stages = STAGES.filter((stage) => typeof timing[stage] === "number").map((stage) => {
    const track = element("span", "track");
    if (timing[stage] > 0) {
      const bar = element("i");
      bar.style.setProperty("--share", Math.min(1, timing[stage] / timing.total));
      track.append(bar);
    }
    const value = element("dd");
    value.append(element("span", "", duration(timing[stage])), track);
    const group = element("div");
    group.append(element("dt", "", words().stages[stage]), value);
    return group;
  });
  list.replaceChildren(...stages);
}
