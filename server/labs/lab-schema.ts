import { z } from "zod";
import { Check } from "../checks/check.ts";

const Id = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "must be lower-case words joined by `-`");
const Text = z.string().trim().min(1);
const Localized = z.strictObject({ en: Text, zh: Text });
const World = z.enum(["vm", "cluster"]);
const Commands = z.strictObject({ run: World, commands: Text });
/** A path inside the lab's folder. */
const File = z
  .string()
  .regex(/^[\w-][\w./-]*$/, "must be a path inside the lab's folder")
  .refine((path) => !path.split("/").includes(".."), "must be a path inside the lab's folder");

/** `lab.yaml` */
export const LabFile = z.strictObject({
  /** Version of this format. */
  format: z.literal(1),
  title: Localized,
  summary: Localized,
  /** What an experienced administrator needs. */
  minutes: z.int().min(5).max(480),
  needs: z
    .strictObject({
      nodes: z.int().min(1).max(5).default(1),
      networkPolicy: z.boolean().default(false),
      placement: z.enum(["beside", "nested"]).optional(),
    })
    .prefault({}),
  webServices: z
    .array(z.strictObject({ name: Localized, world: World, port: z.int().min(1).max(65535) }))
    .default([]),
  setup: z
    .array(
      z.union([
        z.strictObject({ on: z.literal("vm"), script: File }),
        z.strictObject({ on: z.literal("cluster"), manifests: File }),
      ]),
    )
    .default([]),
});
export type LabFile = z.infer<typeof LabFile>;

const Shortcut = z.strictObject({
  name: Text,
  steps: z.array(Commands).min(1),
  undo: z.array(Commands).default([]),
  says: Text,
});

/** `tasks.yaml` */
export const TasksFile = z.strictObject({
  tasks: z
    .array(
      z.strictObject({
        id: Id,
        title: Localized,
        world: z.enum(["vm", "cluster", "both"]),
        points: z.int().min(1).max(100).default(10),
        after: z.array(Id).default([]),
        checks: z.array(Check).min(1),
        hints: z.array(Localized).min(1),
        solution: z.array(Commands).min(1),
        shortcuts: z.array(Shortcut).default([]),
      }),
    )
    .min(1),
});
export type TasksFile = z.infer<typeof TasksFile>;
