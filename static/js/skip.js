// «Skip to content» without its fragment in the address: forms and redirects carry that on, and where one is a browser
// does not heed the `autofocus` of a page, which is at the field that was wrong or at the sentence that an act is done.

const main = document.getElementById("main");

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
