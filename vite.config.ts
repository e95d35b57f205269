import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where `npm start` listens unless told otherwise; only the development server of the page uses it. */
const LAB_SERVER = process.env.FOOTBRIDGE_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  root: "client",
  plugins: [react()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    // `light-dark()` and nesting are wanted as written: rewriting them doubles the style sheet.
    target: ["chrome123", "firefox121", "safari17.5", "edge123"],
    // Everything comes from the page's own origin, as its content security policy demands.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      // Times of plugins are of no use to whoever sets up a lab server.
      checks: { pluginTimings: false },
      output: {
        // One chunk with zod and its configuration, so that this runs before any schema is made.
        codeSplitting: { groups: [{ name: "zod", test: /node_modules\/zod\/|client\/no-eval\.ts$/ }] },
      },
    },
  },
  server: {
    proxy: {
      "/api": LAB_SERVER,
      "/socket.io": { target: LAB_SERVER, ws: true },
    },
  },
});
