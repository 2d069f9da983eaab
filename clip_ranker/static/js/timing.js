/* The stage timings as bars against the total. */

import { element } from "./element.js";
import { words } from "./language.js";

const STAGES = ["download", "decode", "embed", "total"];

/** Fills a <dl> from the answer's `meta.timing_ms`. */
export function showTiming(list, timing) {
  const rows = STAGES.filter((stage) => typeof timing[stage] === "number").flatMap((stage) => {
    const bar = element("i");
    bar.style.setProperty("--share", timing.total > 0 ? Math.min(1, timing[stage] / timing.total) : 0);
    const track = element("span", "track");
    track.append(bar);
    const value = element("dd", stage);
    value.append(track, element("span", "ms", `${Math.round(timing[stage])} ms`));
    return [element("dt", "", words().stages[stage]), value];
  });
  list.replaceChildren(...rows);
}
