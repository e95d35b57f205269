import { z } from "zod";

// Compiling schemas needs `eval`, which the page's content security policy forbids. Imported before any schema is.
z.config({ jitless: true });
