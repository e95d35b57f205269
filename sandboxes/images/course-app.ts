import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { LabError } from "../errors.ts";

const nameSchema = z.string().regex(/^[a-z][a-z0-9-]{0,40}$/);
// A Debian package name, by Debian Policy 5.6.1.
const packageSchema = z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/);
// Inside the app's own folder, or absolute inside the image: neither may climb out.
const innerPathSchema = z
  .string()
  .regex(/^[\w.-]+(\/[\w.-]+)*$/)
  .refine((path) => !path.split("/").includes(".."));
const absolutePathSchema = z
  .string()
  .regex(/^(\/[\w.-]+)+$/)
  .refine((path) => !path.split("/").includes(".."));

const imageSchema = z.strictObject({
  name: nameSchema,
  tag: z.string().regex(/^[\w][\w.-]{0,40}$/),
  packages: z.array(packageSchema).min(1),
  files: z.array(z.strictObject({ from: innerPathSchema, to: absolutePathSchema })),
  user: z.strictObject({ name: nameSchema, uid: z.int().min(1000).max(60_000) }),
  command: z.array(z.string()).min(1),
  port: z.int().min(1).max(65_535),
  env: z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.string()).default({}),
});

const appSchema = z.strictObject({
  name: nameSchema,
  /** How the VM gets it: `guest/install.sh ROOT DATA` in the app's folder. */
  guest: z
    .strictObject({
      packages: z.array(packageSchema),
      dataVolume: z
        .strictObject({ sizeMib: z.int().min(64).max(3072), cutToFit: innerPathSchema.optional() })
        .optional(),
    })
    .optional(),
  images: z.array(imageSchema).default([]),
});

/** A container image of a course, built from Debian packages and files of the app's folder. */
export type CourseImage = z.infer<typeof imageSchema>;

/** An application that a course brings along, as described by `app.yaml` in its folder. */
export type CourseApp = z.infer<typeof appSchema> & { folder: string };

/**
 * Reads `app.yaml` in `folder` (an absolute path).
 * @throws LabError `lab_invalid` that names the file and the member at fault.
 */
export async function readCourseApp(folder: string): Promise<CourseApp> {
  const file = join(folder, "app.yaml");
  try {
    return { ...appSchema.parse(parse(await readFile(file, "utf8"))), folder };
  } catch (cause) {
    const said = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
    throw new LabError("lab_invalid", `\`${file}\` can't be used: ${said}`, { cause });
  }
}
