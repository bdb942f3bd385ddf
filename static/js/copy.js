// Buttons that copy the value of the field they name, and say that they did.

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    const text = field.value ?? field.textContent;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      // the clipboard is for secure pages only; over plain HTTP the field is selected for Ctrl+C
      if (field.select) field.select();
      else getSelection().selectAllChildren(field);
    }
    const words = done ? "Copied" : "Press Ctrl+C";
    const status = document.getElementById("copied");
    if (status) status.textContent = done ? "The text is in the clipboard." : "The text is selected; press Ctrl+C.";
    button.dataset.label ??= button.textContent;
    button.textContent = words;
    setTimeout(() => (button.textContent = button.dataset.label), 2500);
  });
}
