//! Text for people: near names, lists, counts. To be filled.
