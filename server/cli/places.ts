import { fileURLToPath } from "node:url";

/** Where the labs and their applications are. */
export const labsDir = fileURLToPath(new URL("../../labs", import.meta.url));

/** Where the built page is. */
export const clientDir = fileURLToPath(new URL("../../client/dist", import.meta.url));

/** Builds the page into the folder that is its argument, where that is not done yet. */
export const pageBuilder = fileURLToPath(new URL("../../client/build.ts", import.meta.url));
