// Under a run: a press on Keep becomes the event `pin` with the step and the wish. Runs once per mount.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-pin]");
  if (button) trigger("pin", { step: Number(button.dataset.pin), keep: button.getAttribute("aria-pressed") !== "true" });
});
