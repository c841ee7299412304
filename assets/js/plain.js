// Times in the reader's zone, on pages without Gradio.
for (const node of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(node.dateTime);
  if (!Number.isNaN(moment.valueOf())) node.textContent = moment.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
}
