/* Fields and statuses as tables that scroll by themselves where they must. */

import { element } from "./element.js";
import { resolved } from "./openapi.js";
import { words } from "./language.js";
import { code, inline } from "./prose.js";

export function fieldTable(caption, rows, heading) {
  return table(caption, heading, rows.map(({ name, type, bounds, description }) => {
    const about = element("td");
    about.append(...inline(description));
    if (bounds) about.append(element("div", "soft", bounds));
    return [code(name), element("td", "kind", type), about];
  }));
}

export function statusTable(responses, api, heading) {
  return table(words().statuses, heading, Object.entries(responses).map(([status, answer]) => {
    const about = element("td");
    about.append(...inline(resolved(answer, api).description ?? ""));
    return [code(status), about];
  }));
}

function table(caption, heading, rows) {
  const made = element("table");
  made.role = "table"; // told, because a phone lays the cells out as blocks
  made.append(element("caption", "", caption));
  for (const [first, ...rest] of rows) {
    const row = element("tr");
    row.role = "row";
    const head = element("th");
    head.scope = "row";
    head.role = "rowheader";
    head.append(first);
    for (const cell of rest) cell.role = "cell";
    row.append(head, ...rest);
    made.append(row);
  }
  const frame = element("div", "scroll");
  frame.tabIndex = 0;
  frame.role = "region";
  frame.ariaLabel = words().region(caption, heading.textContent);
  frame.append(made);
  return frame;
}
