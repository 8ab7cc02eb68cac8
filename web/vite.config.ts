/// <reference types="vitest/config" />
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env.SFUMATO_URL ?? "http://127.0.0.1:8188";
const routes = ["/api", "/view", "/templates", "/object_info"];

export default defineConfig({
  base: "./",
  plugins: [react()],
  build: {
    outDir: "dist",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
    rollupOptions: {
      // Names without hashes: two branches that both build collide in content only, and deltas stay small.
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  server: {
    proxy: Object.fromEntries([
      ...routes.map((route) => [route, { target: server, changeOrigin: true }]),
      ["/ws", { target: server, ws: true, changeOrigin: true }],
    ]),
  },
  test: { include: ["test/**/*.test.ts"], testTimeout: process.env.SOAK ? 900_000 : 60_000 },
});
