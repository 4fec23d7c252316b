//! Cache keys and their explanation: one walk, two visitors. To be filled.
