// Builds dist/esm and dist/cjs. Which of the two a file is, the nearest package.json says.
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
for (const [kind, type] of Object.entries({ esm: "module", cjs: "commonjs" })) {
  execFileSync("tsc", ["--project", `tsconfig.${kind}.json`], { stdio: "inherit" });
  writeFileSync(`dist/${kind}/package.json`, `${JSON.stringify({ type })}\n`);
}
