import type { CheckOf } from "../../server/checks/check.ts";

/** The check of the first lab's task on the full file system. */
export const inventoryFileSystem: CheckOf<"file_system"> = {
  kind: "file_system",
  path: "/srv/inventory",
  volumeGroup: "data",
  logicalVolume: "inventory",
  minSizeMib: 1024,
  minFreeMib: 256,
  keeps: [],
};
