// Turns a little Markdown (headings and paragraphs) into a page.
const fs = require("fs");

const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
const blocks = fs.readFileSync(process.argv[2], "utf8").trim().split(/\n{2,}/);
const body = blocks.map((block) =>
  block.startsWith("# ") ? `<h1>${escape(block.slice(2))}</h1>` : `<p>${escape(block)}</p>`);
console.log(`<!doctype html>\n<meta charset="utf-8">\n<title>Built in two stages</title>\n${body.join("\n")}`);
