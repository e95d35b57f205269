import { z } from "zod";
import { LabError } from "../../../sandboxes/errors.ts";
import type { Localized } from "../../labs/lab.ts";
import type { CheckOf } from "../check.ts";
import { labelOf } from "../labels.ts";
import { failed, type Outcome, passed, say, size } from "../words.ts";
import type { Observation, VmObserver } from "./vm-observer.ts";

const MIB = 1024 * 1024;

export interface FileSystemState {
  /** What is mounted at the path itself; absent where nothing is. */
  mount: { source: string; type: string; sizeBytes: number; freeBytes: number } | undefined;
  /** Size of the logical volume; absent where there is none of that name. */
  volumeBytes: number | undefined;
  /** Device paths of the volume; the mount's source is one of them. */
  volumePaths: string[];
  /** Bytes below each path to keep; absent where it is gone. */
  kept: Map<string, number | undefined>;
}

export async function observeFileSystem(
  vm: VmObserver,
  check: CheckOf<"file_system">,
): Promise<FileSystemState> {
  const { path, volumeGroup, logicalVolume, keeps } = check;
  const [mount, volumes, ...kept] = await Promise.all([
    vm.observe([
      "/usr/bin/findmnt",
      "--json",
      "--bytes",
      "--output",
      "SOURCE,FSTYPE,SIZE,AVAIL",
      "--mountpoint",
      path,
    ]),
    vm.observe([
      "/usr/sbin/lvs",
      "--reportformat",
      "json",
      "--units",
      "b",
      "--nosuffix",
      "--options",
      "vg_name,lv_name,lv_size,lv_path,lv_dm_path",
    ]),
    ...keeps.map((keep) => vm.observe(["/usr/bin/du", "--summarize", "--block-size=1", "--", keep.path])),
  ]);
  return readFileSystem(check, { mount, volumes, kept }, `${volumeGroup}/${logicalVolume}`);
}

const Mounts = z.object({
  filesystems: z.array(
    z.object({ source: z.string(), fstype: z.string(), size: z.number(), avail: z.number() }),
  ),
});
const Volumes = z.object({
  report: z.array(
    z.object({
      lv: z.array(
        z.object({
          vg_name: z.string(),
          lv_name: z.string(),
          lv_size: z.string(),
          lv_path: z.string(),
          lv_dm_path: z.string(),
        }),
      ),
    }),
  ),
});

export function readFileSystem(
  check: CheckOf<"file_system">,
  seen: { mount: Observation; volumes: Observation; kept: Observation[] },
  volumeName: string,
): FileSystemState {
  // findmnt exits with 1 and prints nothing where nothing is mounted.
  const filesystem =
    seen.mount.exitCode === 0 ? parse(Mounts, "findmnt", seen.mount.stdout).filesystems.at(-1) : undefined;
  if (seen.volumes.exitCode !== 0)
    throw new LabError("check_errored", `\`lvs\` failed in the VM: ${seen.volumes.stdout.trim()}`);
  const volume = parse(Volumes, "lvs", jsonPart(seen.volumes.stdout))
    .report.flatMap(({ lv }) => lv)
    .find((lv) => `${lv.vg_name}/${lv.lv_name}` === volumeName);
  return {
    mount: filesystem && {
      source: filesystem.source,
      type: filesystem.fstype,
      sizeBytes: filesystem.size,
      freeBytes: filesystem.avail,
    },
    volumeBytes: volume && Number(volume.lv_size),
    volumePaths: volume ? [volume.lv_path, volume.lv_dm_path] : [],
    kept: new Map(
      check.keeps.map(({ path }, index) => {
        const du = seen.kept[index];
        return [path, du?.exitCode === 0 ? Number.parseInt(du.stdout, 10) : undefined];
      }),
    ),
  };
}

/** LVM prints its warnings before the report. */
/** The guest is its learner's, who may have put anything in a program's place. */
function parse<T>(schema: z.ZodType<T>, command: string, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new LabError("check_errored", `\`${command}\` in the VM did not answer as it does`, {
      hint: "is it still the program that came with the VM?",
      cause,
    });
  }
}

function jsonPart(text: string): string {
  return text.slice(Math.max(0, text.indexOf("{")));
}

export function judgeFileSystem(check: CheckOf<"file_system">, state: FileSystemState): Outcome[] {
  const { path, volumeGroup, logicalVolume, keeps } = check;
  const volume = `${volumeGroup}/${logicalVolume}`;
  const minSize = check.minSizeMib * MIB;
  const minFree = check.minFreeMib * MIB;
  const sizeLabel = labelOf(check);
  const freeLabel = say(`\`${path}\` has room`, `\`${path}\` 有可用空间`);
  const expected = say(
    `a file system of at least ${size(minSize)} on the logical volume \`${volume}\``,
    `逻辑卷 \`${volume}\` 上有至少 ${size(minSize)} 的文件系统`,
  );
  const sizeFails = (found: Localized) => failed(sizeLabel, { expected, found });
  const { mount, volumeBytes } = state;
  if (!mount)
    return [sizeFails(say(`nothing is mounted at \`${path}\``, `\`${path}\` 上没有挂载任何文件系统`))];
  if (volumeBytes === undefined)
    return [sizeFails(say(`there is no logical volume \`${volume}\``, `没有逻辑卷 \`${volume}\``))];
  if (!state.volumePaths.includes(mount.source))
    return [
      sizeFails(
        say(
          `\`${mount.source}\` is mounted there, not that volume`,
          `挂载在那里的是 \`${mount.source}\`，不是这个逻辑卷`,
        ),
      ),
    ];

  const outcomes: Outcome[] = [];
  if (mount.sizeBytes >= minSize * 0.93) outcomes.push(passed(sizeLabel));
  else if (volumeBytes >= minSize)
    outcomes.push(
      sizeFails(
        say(
          `the logical volume has ${size(volumeBytes)}, but the file system on it still ends at ${size(mount.sizeBytes)}`,
          `逻辑卷已有 ${size(volumeBytes)}，但其上的文件系统仍只到 ${size(mount.sizeBytes)}`,
        ),
      ),
    );
  else
    outcomes.push(
      sizeFails(
        say(
          `the logical volume has ${size(volumeBytes)}, the file system ${size(mount.sizeBytes)}`,
          `逻辑卷 ${size(volumeBytes)}，文件系统 ${size(mount.sizeBytes)}`,
        ),
      ),
    );
  outcomes.push(
    mount.freeBytes >= minFree
      ? passed(freeLabel)
      : failed(freeLabel, {
          expected: say(`at least ${size(minFree)} free`, `至少 ${size(minFree)} 可用`),
          found: say(`${size(mount.freeBytes)} free`, `可用 ${size(mount.freeBytes)}`),
        }),
  );
  for (const keep of keeps) {
    const bytes = state.kept.get(keep.path);
    const label = say(`\`${keep.path}\` is still whole`, `\`${keep.path}\` 完好无损`);
    const isWhole = bytes !== undefined && bytes >= keep.minMib * MIB;
    outcomes.push(
      isWhole
        ? passed(label)
        : failed(label, {
            expected: say("the data that was there before", "原有的数据仍在"),
            found:
              bytes === undefined
                ? say("it is gone", "它不见了")
                : say(`only ${size(bytes)} are left of it`, `只剩 ${size(bytes)}`),
          }),
    );
  }
  return outcomes;
}
