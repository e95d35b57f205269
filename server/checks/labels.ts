import type { Localized } from "../labs/lab.ts";
import type { Check } from "./check.ts";
import { say } from "./words.ts";

/** What a check is about, in a few words; its conditions may say it more closely. */
export function labelOf(check: Check): Localized {
  switch (check.kind) {
    case "unit_active":
      return say(`\`${check.unit}\` runs`, `\`${check.unit}\` 正在运行`);
    case "unit_enabled":
      return say(`\`${check.unit}\` starts at boot`, `\`${check.unit}\` 开机自动启动`);
    case "file_system":
      return say(`the file system at \`${check.path}\` has grown`, `\`${check.path}\` 的文件系统已扩容`);
    case "port_reachable":
      return say(`pods reach port ${check.port} of the VM`, `Pod 能访问虚拟机的 ${check.port} 端口`);
    case "port_after_boot":
      return say(`port ${check.port} is open after a reboot as well`, `重启后 ${check.port} 端口仍然开放`);
    case "machine_http":
      return say(
        `the VM answers on port ${check.port} at \`${check.path}\``,
        `虚拟机在 ${check.port} 端口的 \`${check.path}\` 上应答`,
      );
    case "rollout":
      return say(
        `Deployment \`${check.deployment}\` is rolled out`,
        `Deployment \`${check.deployment}\` 已完成部署`,
      );
    case "pod_http":
      return say(
        `each Pod of \`${check.deployment}\` answers on port ${check.port}`,
        `\`${check.deployment}\` 的每个 Pod 都在 ${check.port} 端口应答`,
      );
    case "service":
      return say(
        `Service \`${check.service}\` leads to the Pods of \`${check.deployment}\``,
        `Service \`${check.service}\` 指向 \`${check.deployment}\` 的 Pod`,
      );
    case "settings":
      return say(
        `\`${check.deployment}\` gets its settings from outside`,
        `\`${check.deployment}\` 的配置来自外部对象`,
      );
    case "same_data":
      return say(
        `\`${check.service}\` answers with the rows of the VM's database`,
        `\`${check.service}\` 返回的是虚拟机数据库中的数据`,
      );
    case "survives_deletion":
      return say(
        `\`${check.service}\` answers while a Pod is deleted`,
        `删除一个 Pod 期间 \`${check.service}\` 持续应答`,
      );
  }
}
