const express = require("express");
const os = require("os");

const app = express();
app.get("/", (request, response) => response.send(`Hello from ${os.hostname()}\n`));
app.get("/healthz", (request, response) => response.json({ ok: true }));

const server = app.listen(process.env.PORT || 3000);
process.on("SIGTERM", () => server.close());
