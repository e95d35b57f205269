import type { Localized } from "../../labs/lab.ts";
import type { CheckOf } from "../check.ts";
import { labelOf } from "../labels.ts";
import { failed, type Outcome, passed, say } from "../words.ts";
import type { VmObserver } from "./vm-observer.ts";

const PROPERTIES = [
  "LoadState",
  "ActiveState",
  "SubState",
  "Result",
  "NRestarts",
  "UnitFileState",
  "ActiveEnterTimestampMonotonic",
];

/** What systemd says of a unit, as `systemctl show` prints it. */
export type UnitState = Record<string, string>;

export async function observeUnit(vm: VmObserver, unit: string): Promise<UnitState & { uptimeMs: string }> {
  const [shown, uptime] = await Promise.all([
    vm.observe(["/usr/bin/systemctl", "show", `--property=${PROPERTIES.join(",")}`, "--", unit]),
    vm.observe(["/usr/bin/cat", "/proc/uptime"]),
  ]);
  const uptimeMs = String(Number(uptime.stdout.split(" ", 1)[0]) * 1000);
  return { ...readProperties(shown.stdout), uptimeMs };
}

export function readProperties(text: string): UnitState {
  const lines = text.split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

/** systemd says so when it is not PID 1's turn, e.g. while the VM shuts down. */
export function isSystemdSilent(state: UnitState): boolean {
  return state.LoadState === undefined;
}

export function judgeUnitActive(check: CheckOf<"unit_active">, state: UnitState): Outcome {
  const { unit, forMs } = check;
  const label = labelOf(check);
  const expected = say(`\`${unit}\` is active and stays so`, `\`${unit}\` 处于 active 状态，并能保持`);
  const fail = (found: Localized, mayChangeSoon = false) => failed(label, { expected, found, mayChangeSoon });
  if (state.LoadState === "not-found")
    return fail(say(`systemd knows no unit \`${unit}\``, `systemd 找不到单元 \`${unit}\``));
  if (state.LoadState === "masked")
    return fail(say(`\`${unit}\` is masked`, `\`${unit}\` 已被屏蔽（masked）`));
  const shown = `${state.ActiveState} (${state.SubState})`;
  const restarts = Number(state.NRestarts ?? 0);
  if (state.ActiveState === "activating" && restarts > 0)
    return fail(
      say(
        `it is \`${shown}\`: systemd has started it again ${restarts} times, and each time it ended`,
        `状态为 \`${shown}\`：systemd 已重新启动它 ${restarts} 次，每次都退出了`,
      ),
      true,
    );
  if (state.ActiveState !== "active") {
    const isBusy = state.ActiveState === "activating" || state.ActiveState === "reloading";
    const because = state.Result && state.Result !== "success" ? `, result \`${state.Result}\`` : "";
    const becauseZh = state.Result && state.Result !== "success" ? `，结果为 \`${state.Result}\`` : "";
    return fail(say(`it is \`${shown}\`${because}`, `状态为 \`${shown}\`${becauseZh}`), isBusy);
  }
  const activeMs = Number(state.uptimeMs) - Number(state.ActiveEnterTimestampMonotonic) / 1000;
  if (activeMs < forMs)
    return fail(
      say(
        "it was started a moment ago; whether it stays up is not known yet",
        "刚刚启动，还不能确定能否保持运行",
      ),
      true,
    );
  return passed(label);
}

const STARTS_AT_BOOT = new Set(["enabled", "alias"]);

export function judgeUnitEnabled(check: CheckOf<"unit_enabled">, state: UnitState): Outcome {
  const { unit } = check;
  const label = labelOf(check);
  if (STARTS_AT_BOOT.has(state.UnitFileState ?? "")) return passed(label);
  const words: Record<string, Localized> = {
    "": say(`systemd knows no unit file of \`${unit}\``, `systemd 没有 \`${unit}\` 的单元文件`),
    "enabled-runtime": say(
      "it is enabled in `/run` only, which is empty after a reboot",
      "只在 `/run` 中启用，重启后即丢失",
    ),
    masked: say("it is masked, so nothing can start it", "它已被屏蔽（masked），任何东西都无法启动它"),
    static: say("it has no `[Install]` section", "它没有 `[Install]` 段"),
  };
  const state_ = state.UnitFileState ?? "";
  const found =
    words[state_] ??
    say(
      `systemd calls it \`${state_}\`: after a reboot nobody starts it`,
      `systemd 显示为 \`${state_}\`：重启后没有谁会启动它`,
    );
  return failed(label, {
    expected: say("it is started by the next boot without anybody's help", "下次开机时无需人工即可启动"),
    found: state.ActiveState === "active" ? withRunning(found) : found,
  });
}

/** Running now and starting at boot are two things, and the first hides the second. */
function withRunning(found: Localized): Localized {
  return {
    en: `${found.en}. That it runs now says nothing about the next boot`,
    zh: `${found.zh}。它现在在运行，并不说明下次开机会启动`,
  };
}
